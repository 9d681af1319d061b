//! What names and methods give, without a machine: a bounded evaluator that knows what it does
//! not know. ACPI 6.5, sections 5.5.2 and 19.6.
//!
//! Fields of operation regions are unknown unless the caller gives their contents ([`Regions`]).
//! What is computed from something unknown is unknown too; where it decides which way a method
//! takes, all ways are followed, and their results are the candidates. Stores are kept for the
//! evaluation in which they happen; the methods that an operating system runs at start-up (`_INI`,
//! `_REG`, `_PIC` for the APIC model) have been run before. `_OSI` answers as Linux does.
//!
//! ```
//! use acpi_dump::aml::Namespace;
//! use acpi_dump::aml::evaluate::{Answer, Evaluator, Value};
//! // Name (BASE, 5); Method (TWIC) { Return (Add (BASE, BASE)) }
//! let mut table = b"DSDT\x3d\0\0\0\x02\0OEMOEMOEMTABLE\x01\0\0\0TOOL\x01\0\0\0".to_vec();
//! table.extend(b"\x08BASE\x0a\x05\x14\x11TWIC\x00\xa4\x72BASEBASE\x00");
//! let namespace = Namespace::build(&[&table]);
//! let outcome = Evaluator::new(&namespace).evaluate("\\TWIC", &[]).unwrap();
//! assert_eq!(outcome.answer, Answer::Known(Value::Integer(10)));
//! ```

mod arithmetic;
mod bits;
mod convert;
mod data;
pub mod device;
mod eval;
mod export;
mod heap;
mod join;
mod machine;
mod names;
mod refer;
mod regions;
mod setup;
mod start;
mod state;
mod store;
mod symbol;
#[cfg(test)]
mod tests;
mod uses;
mod values;

use std::cell::Cell;
use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::namespace::{Namespace, ObjectId, ObjectKind, Place};
use machine::{Machine, Trouble};
use setup::Setup;
use state::{State, Task};

pub use regions::{MemoryImage, RegionRead, Regions};
pub use setup::Limits;
pub use values::{Buffer, Dependency, Reason, UnknownBits, Value, space_name};

/// What an evaluation gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "answer", content = "value")]
pub enum Answer {
    /// This value, whatever the machine holds.
    Known(Value),
    /// It depends on what only the running machine knows.
    Dynamic {
        /// Values that the ways through the methods give, each once; parts of them may be unknown.
        candidates: Vec<Value>,
        /// What it depends on.
        reasons: Vec<Dependency>,
    },
    /// No way gives a value, and why.
    Failed(String),
}

/// An evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Outcome {
    /// What it gives.
    #[serde(flatten)]
    pub answer: Answer,
    /// What was assumed on the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assumptions: Vec<Dependency>,
    /// Fields of regions that it writes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<String>,
    /// Ways that did not come to their end, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// Terms executed.
    pub steps: usize,
    /// Ways followed.
    pub paths: usize,
}

/// Candidates that are kept.
const CANDIDATES: usize = 16;

/// Evaluates objects of one machine.
pub struct Evaluator<'a> {
    space: &'a Namespace,
    setup: Setup<'a>,
    spent: Cell<usize>,
}

impl<'a> Evaluator<'a> {
    /// With the default limits and no region known; runs the methods of start-up.
    #[must_use]
    pub fn new(space: &'a Namespace) -> Self {
        Self::with(space, Limits::default(), None)
    }

    /// With limits and what is known of regions.
    #[must_use]
    pub fn with(space: &'a Namespace, limits: Limits, regions: Option<&'a dyn Regions>) -> Self {
        let mut evaluator = Self {
            space,
            setup: Setup {
                limits,
                regions,
                ..Setup::new(space)
            },
            spent: Cell::new(0),
        };
        evaluator.start_up();
        evaluator
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &'a Namespace {
        self.space
    }

    /// Terms executed so far by all evaluations.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.spent.get()
    }

    /// Evaluate the object at an absolute path; `None` when there is none.
    #[must_use]
    pub fn evaluate(&self, path: &str, arguments: &[Value]) -> Option<Outcome> {
        Some(self.evaluate_object(self.space.find(path)?, arguments))
    }

    /// Evaluate an object: a method is called, anything else read.
    #[must_use]
    pub fn evaluate_object(&self, id: ObjectId, arguments: &[Value]) -> Outcome {
        let mut machine = Machine::new(self.space, &self.setup);
        if self.spent.get() >= self.setup.limits.total {
            return outcome(
                &mut machine,
                vec!["more steps than all evaluations may take".to_owned()],
            );
        }
        let mut failures = Vec::new();
        for place in self.declarations(id) {
            let begun = self.begin(&mut machine, id, place, arguments);
            match begun {
                Ok(state) => machine.run(state),
                Err(trouble) => failures.push(words(&trouble)),
            }
        }
        self.spent.set(self.spent.get().saturating_add(machine.steps));
        let mut outcome = outcome(&mut machine, failures);
        self.add_choices(id, &mut outcome.answer);
        outcome
    }

    /// Where a name is not known because of start-up, what it may be is.
    fn add_choices(&self, id: ObjectId, answer: &mut Answer) {
        let name = self.space.object(self.space.target(id)).map(|object| object.name_id);
        let choices = name.and_then(|name| self.setup.choices.get(&name));
        if let (Answer::Dynamic { candidates, .. }, Some(choices)) = (answer, choices)
            && !candidates.iter().any(Value::is_known)
        {
            candidates.clone_from(choices);
        }
    }

    /// The declaration of an object, and those in other branches.
    fn declarations(&self, id: ObjectId) -> Vec<Option<Place>> {
        let id = self.space.target(id);
        let Some(object) = self.space.object(id) else {
            return Vec::new();
        };
        let mut list = vec![object.place];
        if object.condition.is_some() {
            let others = self.space.repeats().iter();
            let same = others.filter(|other| other.name_id == object.name_id);
            list.extend(same.take(CANDIDATES).map(|other| Some(other.place)));
        }
        list
    }

    fn begin(
        &self,
        machine: &mut Machine<'a>,
        id: ObjectId,
        place: Option<Place>,
        arguments: &[Value],
    ) -> Result<State, Trouble> {
        let mut state = State::new(self.setup.limits.memory);
        let id = self.space.target(id);
        let Some(object) = self.space.object(id) else {
            return machine::failed("no such object");
        };
        let first = object.place == place;
        match (object.kind, place) {
            (ObjectKind::Method { arguments: count, .. }, Some(place)) => {
                let mut items = Vec::new();
                for number in 0..count {
                    let item = match arguments.get(usize::from(number)) {
                        Some(value) => machine.instantiate(&mut state, object.name_id, value)?,
                        None => machine.unknown_argument(number),
                    };
                    items.push(item);
                }
                machine.call_at(&mut state, id, place, items)?;
            }
            (ObjectKind::Name, Some(place)) if !first => {
                state.tasks.push(Task::Give(object.name_id));
                machine.declaration(&mut state, place, Some((object.name_id, 1)))?;
            }
            _ => state.tasks.push(Task::Give(object.name_id)),
        }
        Ok(state)
    }
}

fn words(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Failed(reason) => reason.clone(),
        Trouble::Limit(what) => format!("limit of {what} reached"),
    }
}

/// What the ends of all ways amount to.
fn outcome(machine: &mut Machine<'_>, mut failures: Vec<String>) -> Outcome {
    let mut ends = std::mem::take(&mut machine.ends);
    let paths = ends.len();
    let mut candidates: Vec<Value> = Vec::new();
    let mut reasons = BTreeSet::new();
    let mut cut = false;
    let mut more = false;
    let mut limited = false;
    for end in &mut ends {
        cut |= end.state.cut;
        for symbol in &end.state.decided {
            reasons.extend(machine.symbols.reason(*symbol).0);
        }
        match &end.result {
            Ok(item) => {
                let item = item.clone();
                let value = machine.export(&mut end.state, &item);
                reasons.extend(value.dependencies().into_iter().cloned());
                if candidates.contains(&value) {
                    continue;
                }
                if candidates.len() < CANDIDATES {
                    candidates.push(value);
                } else {
                    more = true;
                }
            }
            Err(trouble) => {
                limited |= matches!(trouble, Trouble::Limit(_));
                failures.push(words(trouble));
            }
        }
    }
    failures.sort();
    failures.dedup();
    let sure = failures.is_empty() && !cut && !more;
    let answer = match (candidates.pop(), candidates.is_empty()) {
        // What runs out of steps may still have a value.
        (None, _) if limited => Answer::Dynamic {
            candidates,
            reasons: of_machine(reasons),
        },
        (None, _) => Answer::Failed(
            failures
                .first()
                .cloned()
                .unwrap_or_else(|| "nothing to evaluate".to_owned()),
        ),
        (Some(value), true) if sure && value.is_known() => Answer::Known(value),
        (Some(value), _) => {
            candidates.push(value);
            Answer::Dynamic {
                candidates,
                reasons: of_machine(reasons),
            }
        }
    };
    Outcome {
        answer,
        assumptions: machine.assumptions.iter().cloned().collect(),
        writes: machine.writes.iter().cloned().collect(),
        failures,
        steps: machine.steps,
        paths,
    }
}

/// Reasons that are no assumptions.
fn of_machine(reasons: BTreeSet<Dependency>) -> Vec<Dependency> {
    reasons.into_iter().filter(|reason| !reason.is_assumption()).collect()
}

/// Each byte as the character of that number.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}
