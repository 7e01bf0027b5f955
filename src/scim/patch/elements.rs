//! Operations on the values of a multi-valued attribute.

use super::Op;
use super::target::{Place, Selection};
use crate::scim::message::ScimError;
use crate::scim::profile::{Leniency, rule};
use crate::scim::resource::{Intake, Where, check_count, wrong_type};
use crate::scim::schema::{Attribute, Kind};
use crate::scim::search_form::value_form;
use crate::scim::value::{Object, Value};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// Carries one operation out on the values of an attribute and answers the values after it; none means unassigned (P13).
pub(super) fn change(
    intake: &mut Intake,
    op: Op,
    place: &Place,
    former: Vec<Value>,
    value: Option<Value>,
) -> Result<Vec<Value>, ScimError> {
    let attribute = place.location.attribute;
    let mut values = Values { attribute, at: Where::of(&place.location), all: former, made_primary: Vec::new() };
    match (&place.selection, place.sub, op) {
        (None, None, Op::Add) => values.add(intake, value.unwrap_or_default())?,
        (None, None, Op::Replace) => {
            let given = listed(value.unwrap_or_default());
            values.all = intake.elements(attribute, values.at, given)?;
        }
        (None, None, Op::Remove) => match value {
            None | Some(Value::Null) => values.all.clear(),
            Some(value) => values.remove_listed(intake, value)?,
        },
        (None, Some(sub), op) => {
            let given = Object::from_iter([(&sub.name, value.unwrap_or_default())]);
            if values.all.is_empty() && op != Op::Remove {
                values.create(intake, Object::new(), given)?;
            } else {
                for index in 0..values.all.len() {
                    values.merge(intake, index, given.clone())?;
                }
            }
        }
        (Some(selection), sub, op) => {
            values.selected(intake, op, selection, sub, value)?;
        }
    }
    values.settle()
}

/// A single value stands for a list of one.
fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        single => vec![single],
    }
}

struct Values<'a> {
    attribute: &'static Attribute,
    at: Where<'a>,
    all: Vec<Value>,
    /// The places of the values that this operation made primary.
    made_primary: Vec<usize>,
}

impl Values<'_> {
    /// Appends what is not there yet (P06, P07). Two values are the same when they agree in `value` and `type`; then the new one adds
    /// to the old one.
    fn add(&mut self, intake: &mut Intake, given: Value) -> Result<(), ScimError> {
        let mut known = HashMap::with_capacity(self.all.len());
        for (index, value) in self.all.iter().enumerate() {
            known.entry(self.identity(value)).or_insert(index);
        }
        for new in intake.elements(self.attribute, self.at, listed(given))? {
            let next = self.all.len();
            match (known.entry(self.identity(&new)), new) {
                (Entry::Occupied(same), Value::Object(new)) => {
                    self.merge(intake, *same.get(), new)?;
                }
                (Entry::Occupied(_), _) => {}
                (Entry::Vacant(free), new) => {
                    free.insert(next);
                    if is_primary(&new) {
                        self.made_primary.push(next);
                    }
                    self.all.push(new);
                }
            }
        }
        Ok(())
    }

    /// What makes a value the same as another: its `value` and `type` as they compare; without `value` everything it has.
    fn identity(&self, value: &Value) -> String {
        let part = |name: &str| {
            let sub = self.attribute.sub_attribute(name)?;
            value_form(sub, value.as_object()?.get(name)?)
        };
        match part("value") {
            None => value.fingerprint(),
            Some(own) => Value::Array(vec![own, part("type").unwrap_or_default()]).fingerprint(),
        }
    }

    /// `remove` with a list of values means those values in the clients that send it, and is refused otherwise: it must never remove
    /// all of them. A value of the list selects the values that have everything it has.
    fn remove_listed(&mut self, intake: &mut Intake, given: Value) -> Result<(), ScimError> {
        if intake.tolerance().remove_listed == Leniency::Refuse {
            return Err(ScimError::invalid_value(format!(
                "remove takes no value; select the values of {} with a filter in the path",
                self.at
            )));
        }
        let unwanted = intake.elements(self.attribute, self.at, listed(given))?;
        intake.coercions.record(rule::REMOVED_LISTED, &self.at.to_string());
        let attribute = self.attribute;
        let unwanted: Vec<_> = unwanted.iter().filter_map(|value| value_form(attribute, value)).collect();
        self.all.retain(|old| {
            let old = value_form(attribute, old);
            !unwanted.iter().any(|unwanted| old.as_ref().is_some_and(|old| has_all(old, unwanted)))
        });
        Ok(())
    }

    fn selected(
        &mut self,
        intake: &mut Intake,
        op: Op,
        selection: &Selection,
        sub: Option<&'static Attribute>,
        value: Option<Value>,
    ) -> Result<(), ScimError> {
        let meant: Vec<bool> = self.all.iter().map(|value| self.is_meant(value, selection)).collect();
        let given = match (op, sub, value) {
            (Op::Remove, None, _) => {
                let mut meant = meant.into_iter();
                self.all.retain(|_| meant.next() != Some(true));
                return Ok(());
            }
            (Op::Remove, Some(sub), _) => Object::from_iter([(&sub.name, Value::Null)]),
            (_, Some(sub), value) => Object::from_iter([(&sub.name, value.unwrap_or_default())]),
            (_, None, Some(Value::Object(given))) => given,
            (_, None, value) => {
                return Err(wrong_type(self.at, "an object", &value.unwrap_or_default()));
            }
        };
        if !meant.contains(&true) {
            return match op {
                // What is not there is removed already (P12).
                Op::Remove => Ok(()),
                Op::Replace if intake.tolerance().replace_unmatched == Leniency::Refuse => Err(self.no_target()),
                Op::Replace => {
                    intake.coercions.record(rule::CREATED_UNMATCHED, &self.at.to_string());
                    self.create_selected(intake, selection, given)
                }
                Op::Add => self.create_selected(intake, selection, given),
            };
        }
        for (index, _) in meant.into_iter().enumerate().filter(|(_, meant)| *meant) {
            if op == Op::Replace
                && sub.is_none()
                && let Some(old) = self.all.get_mut(index)
            {
                // The whole value is replaced; what the path selects it by stays unless the new value says otherwise.
                *old = Value::Object(Object::new());
                let kept = selection.equalities.clone().unwrap_or_default();
                self.merge(intake, index, kept)?;
            }
            self.merge(intake, index, given.clone())?;
        }
        Ok(())
    }

    /// Makes the value that an operation means but does not find: what the selection asks for, and what is given (P11, E7, E8).
    fn create_selected(&mut self, intake: &mut Intake, selection: &Selection, given: Object) -> Result<(), ScimError> {
        let Some(equalities) = selection.equalities.clone() else {
            return Err(self.no_target());
        };
        self.create(intake, equalities, given)?;
        // When the selection contradicts itself, or the value the selection, the next operation would not find what was made.
        match self.all.last() {
            Some(made) if self.is_meant(made, selection) => Ok(()),
            _ => Err(self.no_target()),
        }
    }

    fn create(&mut self, intake: &mut Intake, selected: Object, given: Object) -> Result<(), ScimError> {
        let index = self.all.len();
        self.all.push(Value::Object(Object::new()));
        self.merge(intake, index, selected)?;
        self.merge(intake, index, given)
    }

    fn merge(&mut self, intake: &mut Intake, index: usize, given: Object) -> Result<(), ScimError> {
        if self.attribute.kind != Kind::Complex {
            return Ok(());
        }
        let speaks_of_primary = given.contains("primary");
        if let Some(Value::Object(object)) = self.all.get_mut(index) {
            intake.merge(object, self.attribute, self.at, given)?;
        }
        if speaks_of_primary && self.all.get(index).is_some_and(is_primary) && self.made_primary.last() != Some(&index) {
            self.made_primary.push(index);
        }
        Ok(())
    }

    fn is_meant(&self, value: &Value, selection: &Selection) -> bool {
        value_form(self.attribute, value).is_some_and(|form| selection.filter.matches_element(&form))
    }

    fn no_target(&self) -> ScimError {
        ScimError::no_target(format!("the path selects no value of {}", self.at))
    }

    /// Leaves at most one value primary (P16), and drops empty values and repetitions.
    fn settle(mut self) -> Result<Vec<Value>, ScimError> {
        let all = &self.all;
        self.made_primary.retain(|index| all.get(*index).is_some_and(is_primary));
        match self.made_primary.as_slice() {
            [] => {}
            [chosen] => {
                for (index, value) in self.all.iter_mut().enumerate() {
                    if index != *chosen
                        && is_primary(value)
                        && let Value::Object(object) = value
                    {
                        object.insert("primary", false);
                    }
                }
            }
            _ => {
                return Err(ScimError::invalid_value(format!("only one value of {} can be primary", self.at)));
            }
        }
        let mut seen = HashSet::with_capacity(self.all.len());
        self.all.retain(|value| {
            let empty = value.as_object().is_some_and(Object::is_empty);
            !empty && seen.insert(value.fingerprint())
        });
        check_count(self.at, self.all.len())?;
        Ok(self.all)
    }
}

fn is_primary(value: &Value) -> bool {
    value.as_object().and_then(|object| object.get("primary")) == Some(&Value::Bool(true))
}

/// Whether a value has everything that another one has; both in search form.
fn has_all(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Object(value), Value::Object(wanted)) => wanted.iter().all(|(name, wanted)| value.get(name) == Some(wanted)),
        _ => value == wanted,
    }
}
