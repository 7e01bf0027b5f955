//! Filters evaluated on documents. The SQL that the store makes of a [`ResolvedFilter`] has to agree with this, on both databases.

use super::resolved::{Comparison, ElementFilter, ElementTest, Operand, Place, ResolvedFilter, ResolvedPath, Test};
use crate::scim::value::{Object, Value};

impl ResolvedFilter {
    /// Whether a document in search form fulfils the filter. Total: a document of any shape gets an answer.
    #[must_use]
    pub fn matches(&self, document: &Value) -> bool {
        self.holds(&|test| test.matches(document))
    }
}

impl ElementFilter {
    /// Whether one value of the multi-valued attribute, in search form, fulfils the filter.
    #[must_use]
    pub fn matches_element(&self, element: &Value) -> bool {
        let Value::Object(element) = element else {
            return self.holds(&|_| false);
        };
        self.holds(&|test| test.matches(element))
    }

    /// The texts of which an element must have one in a sub-attribute to fulfil the filter; `None` when the filter names none. It may
    /// ask for more, so an element that has one need not fulfil it.
    #[must_use]
    pub fn candidates(&self, of: &str) -> Option<Vec<&str>> {
        match self {
            Self::Test(ElementTest::Compare {
                sub_attribute, comparison: Comparison::Equal, operand: Operand::Text(text), ..
            }) if *sub_attribute == of => Some(vec![text]),
            Self::And(operands) => operands.iter().find_map(|operand| operand.candidates(of)),
            Self::Or(operands) => {
                operands.iter().map(|operand| operand.candidates(of)).collect::<Option<Vec<_>>>().map(|texts| texts.concat())
            }
            Self::Not(_) | Self::Test(_) => None,
        }
    }
}

impl Test {
    fn matches(&self, document: &Value) -> bool {
        match self {
            Self::Compare { path, comparison, operand } => path.any(document, &|value| comparison.holds(value, operand)),
            Self::Present { path } => path.any(document, &is_present),
            Self::Element { path, filter } => path.any(document, &|element| filter.matches_element(element)),
        }
    }
}

impl ElementTest {
    fn matches(&self, element: &Object) -> bool {
        match self {
            Self::Compare { sub_attribute, comparison, operand, .. } => {
                element.get(sub_attribute).is_some_and(|value| comparison.holds(value, operand))
            }
            Self::Present { sub_attribute, .. } => element.get(sub_attribute).is_some_and(is_present),
        }
    }
}

impl ResolvedPath {
    fn any(&self, document: &Value, test: &dyn Fn(&Value) -> bool) -> bool {
        let Some(found) = self.find(document) else {
            return false;
        };
        let on_value = |value: &Value| match self.sub_attribute {
            None => test(value),
            Some(sub) => value.as_object().and_then(|object| object.get(sub)).is_some_and(test),
        };
        if self.multi_valued { found.as_array().is_some_and(|elements| elements.iter().any(on_value)) } else { on_value(found) }
    }

    /// The texts at the path of a document in search form.
    #[must_use]
    pub fn texts<'d>(&self, document: &'d Value) -> Vec<&'d str> {
        let Some(found) = self.find(document) else { return Vec::new() };
        let elements = if self.multi_valued { found.as_array().unwrap_or_default() } else { std::slice::from_ref(found) };
        let text = |element: &'d Value| match self.sub_attribute {
            None => element.as_str(),
            Some(sub) => element.as_object()?.get(sub)?.as_str(),
        };
        elements.iter().filter_map(text).collect()
    }

    /// What stands at the path, without its sub-attribute.
    pub(in crate::scim) fn find<'d>(&self, document: &'d Value) -> Option<&'d Value> {
        let document = document.as_object()?;
        match self.place {
            Place::Core => document.get(&self.attribute),
            Place::Extension(urn) => document.get(urn)?.as_object()?.get(&self.attribute),
            Place::Claims => {
                document.get("claims")?.as_object()?.iter().find(|(name, _)| *name == self.attribute).map(|(_, values)| values)
            }
        }
    }
}

fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

impl Comparison {
    fn holds(self, value: &Value, operand: &Operand) -> bool {
        match (value, operand) {
            (Value::String(value), Operand::Text(operand)) => match self {
                Self::Contains => value.contains(operand.as_str()),
                Self::StartsWith => value.starts_with(operand.as_str()),
                Self::EndsWith => value.ends_with(operand.as_str()),
                _ => self.orders(value.as_str().partial_cmp(operand.as_str())),
            },
            (Value::Bool(value), Operand::Boolean(operand)) => self == Self::Equal && value == operand,
            (Value::Number(value), Operand::Integer(operand)) => {
                value.as_i64().is_some_and(|value| self.orders(value.partial_cmp(operand)))
            }
            (Value::Number(value), Operand::Decimal(operand)) => {
                value.as_f64().is_some_and(|value| self.orders(value.partial_cmp(operand)))
            }
            _ => false,
        }
    }

    fn orders(self, ordering: Option<std::cmp::Ordering>) -> bool {
        let Some(ordering) = ordering else {
            return false;
        };
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Contains | Self::StartsWith | Self::EndsWith => false,
        }
    }
}
