//! Attributes of elements, with libvirt's messages for what they may not be.

use roxmltree::Node;

use super::element::Reader;

/// How a number must be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Any,
    NotZero,
}

impl Reader {
    pub(super) fn named<T>(&mut self, node: Node<'_, '_>, attribute: &str, read: fn(&str) -> Option<T>) -> Option<T> {
        let text = node.attribute(attribute)?;
        let value = read(text);
        if value.is_none() {
            self.invalid(node, attribute, text, ".");
        }
        value
    }

    pub(super) fn switch(&mut self, node: Node<'_, '_>, attribute: &str) -> Option<bool> {
        self.named(node, attribute, |text| match text {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        })
    }

    pub(super) fn yes_no(&mut self, node: Node<'_, '_>, attribute: &str) -> Option<bool> {
        self.named(node, attribute, |text| match text {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        })
    }

    pub(super) fn required(&mut self, node: Node<'_, '_>, attribute: &str, rule: Number) -> Option<u32> {
        if !node.has_attribute(attribute) {
            self.missing(node, attribute);
        }
        self.optional(node, attribute, rule)
    }

    pub(super) fn optional(&mut self, node: Node<'_, '_>, attribute: &str, rule: Number) -> Option<u32> {
        let text = node.attribute(attribute)?;
        match number(text) {
            None => self.not_a_number(node, attribute, text),
            Some(0) if rule == Number::NotZero => {
                let element = node.tag_name().name();
                let message = format!(
                    "XML error: Invalid value for attribute '{attribute}' in element '{element}': Zero is not permitted"
                );
                self.refuse(Self::place(node, attribute), text, message);
            }
            Some(value) => return Some(value),
        }
        None
    }

    pub(super) fn missing(&mut self, node: Node<'_, '_>, attribute: &str) {
        let element = node.tag_name().name();
        let message = format!("XML error: Missing required attribute '{attribute}' in element '{element}'");
        self.refuse(node.range().start, attribute, message);
    }

    pub(super) fn not_a_number(&mut self, node: Node<'_, '_>, attribute: &str, text: &str) {
        self.invalid(node, attribute, text, ". Expected non-negative integer value");
    }

    pub(super) fn invalid(&mut self, node: Node<'_, '_>, attribute: &str, text: &str, end: &str) {
        let element = node.tag_name().name();
        let message =
            format!("XML error: Invalid value for attribute '{attribute}' in element '{element}': '{text}'{end}");
        self.refuse(Self::place(node, attribute), text, message);
    }
}
/// A number in decimal, with blanks before it, as `strtoul` takes it.
pub(super) fn number(text: &str) -> Option<u32> {
    let text = text.trim_start();
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}
