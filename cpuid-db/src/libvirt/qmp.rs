//! QEMU's answers to `query-cpu-model-expansion` and `query-cpu-definitions`, as libvirt takes them:
//! the processor QEMU can make on a host, and the models it has. The answers stand one after another
//! in the text.

use serde_json::Value;

use crate::bits::{Word, Words};
use crate::guest::Fault;

use super::data::{self, CpuData};
use super::decode::HypervisorModel;
use super::fault;
use super::map::Map;
use super::set::FeatureSet;

/// What QEMU answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// The expansion of the model `host`.
    pub expansion: Option<CpuData>,
    /// QEMU's models.
    pub models: Option<Vec<HypervisorModel>>,
}

/// Reads the answers: of several of one kind the first counts.
pub fn read(map: &Map, text: &str) -> Result<Answers, Fault> {
    let mut answers = Answers::default();
    let mut documents = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    while let Some(document) = documents.next() {
        let document = document.map_err(|error| {
            let at = Some(documents.byte_offset());
            fault::new(at, "", format!("not an answer of QEMU: {error}"))
        })?;
        let answer = document.get("return").unwrap_or(&document);
        if let Some(list) = answer.as_array() {
            answers.models.get_or_insert_with(|| models(map, list));
        } else if let Some(properties) = answer.pointer("/model/props")
            && answers.expansion.is_none()
        {
            answers.expansion = Some(expansion(map, properties)?);
        }
    }
    Ok(answers)
}

/// Place of a feature that QEMU names.
fn feature(map: &Map, name: &str) -> Option<usize> {
    map.find(libvirt_name(map, name))
}

/// libvirt's name for a name of QEMU, as its driver translates them.
#[must_use]
pub fn libvirt_name<'a>(map: &'a Map, qemu: &'a str) -> &'a str {
    map.features()
        .find(|feature| feature.qemu == qemu && feature.qemu != feature.name)
        .map_or(qemu, |feature| feature.name)
}

fn expansion(map: &Map, properties: &Value) -> Result<CpuData, Fault> {
    let mut features = FeatureSet::default();
    for (name, value) in properties.as_object().into_iter().flatten() {
        if value.as_bool() == Some(true)
            && let Some(place) = feature(map, name)
        {
            features.set(place, true);
        }
    }
    let number = |name: &str| {
        properties
            .get(name)
            .and_then(Value::as_u64)
            .and_then(|value| u32::try_from(value).ok())
            .unwrap_or(0)
    };
    let vendor = match properties.get("vendor").and_then(Value::as_str) {
        None => None,
        Some(text) => {
            let registers = data::characters(text).ok_or_else(|| {
                let message = format!("internal error: Invalid CPU vendor string '{text}'");
                fault::new(None, text, message)
            })?;
            let words: Words = registers
                .into_iter()
                .map(|(register, value)| (Word::cpuid(0, 0, register), value))
                .collect();
            CpuData::of_words(map, &words).vendor
        }
    };
    Ok(CpuData {
        features,
        vendor,
        signature: data::signature(number("family"), number("model"), number("stepping")),
    })
}

fn models(map: &Map, list: &[Value]) -> Vec<HypervisorModel> {
    list.iter()
        .filter_map(|model| {
            let blockers = model.get("unavailable-features").and_then(Value::as_array);
            Some(HypervisorModel {
                name: model.get("name")?.as_str()?.to_owned(),
                blockers: blockers
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(|name| libvirt_name(map, name).to_owned())
                    .collect(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_give_features_vendor_signature_and_models() {
        let map = Map::builtin();
        let text = r#"{"id": "a", "return": {"model": {"name": "base", "props":
            {"lahf-lm": true, "avx": false, "sse3": true, "family": 6, "model": 42, "stepping": 7,
             "vendor": "GenuineIntel", "level": 13}}}}
            {"return": [{"name": "phenom", "unavailable-features": ["fxsr-opt", "npt"]}, {"name": "486"}]}"#;
        let answers = read(&map, text).unwrap();
        let data = answers.expansion.unwrap();
        assert_eq!(map.names(data.features).collect::<Vec<_>>(), ["lahf_lm"]);
        assert_eq!(data.family_model_stepping(), (6, 42, 7));
        assert_eq!(data.vendor.unwrap().name, "Intel");
        let models = answers.models.unwrap();
        assert_eq!(models[0].blockers, ["fxsr_opt", "npt"]);
        assert_eq!(models[1].name, "486");
    }

    #[test]
    fn text_that_is_no_json_is_told_with_its_place() {
        let fault = read(&Map::builtin(), "{\"return\": []} {").unwrap_err();
        assert!(fault.at.is_some_and(|at| at >= 14), "{fault:?}");
    }
}
