//! The canonical text of filters and paths: one space, lower-case operators, parentheses only where precedence asks for them.

use super::{AttrPath, Filter, Literal, PatchPath, Place, ResolvedPath};
use std::fmt::{self, Display, Formatter};

impl Display for AttrPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(urn) = &self.urn {
            write!(f, "{urn}:")?;
        }
        f.write_str(&self.name)?;
        match &self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::String(text) => f.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?),
        }
    }
}

/// How tightly an operator binds: `or` least, then `and`, then everything else (RFC 7644 section 3.4.2.2, F02).
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Binding {
    Or,
    And,
    Term,
}

fn print(filter: &Filter, at_least: Binding, f: &mut Formatter<'_>) -> fmt::Result {
    let own = match filter {
        Filter::Or(_) => Binding::Or,
        Filter::And(_) => Binding::And,
        _ => Binding::Term,
    };
    if own < at_least {
        f.write_str("(")?;
        print(filter, Binding::Or, f)?;
        return f.write_str(")");
    }
    match filter {
        Filter::Or(operands) => print_all(operands, " or ", Binding::And, f),
        Filter::And(operands) => print_all(operands, " and ", Binding::Term, f),
        Filter::Not(operand) => {
            f.write_str("not (")?;
            print(operand, Binding::Or, f)?;
            f.write_str(")")
        }
        Filter::Compare { path, op, literal } => write!(f, "{path} {} {literal}", op.as_str()),
        Filter::Present { path } => write!(f, "{path} pr"),
        Filter::ValuePath { path, filter, then } => {
            write!(f, "{path}[")?;
            print(filter, Binding::Or, f)?;
            f.write_str("]")?;
            match then {
                None => Ok(()),
                Some(then) => match &then.comparison {
                    None => write!(f, ".{} pr", then.sub),
                    Some((op, literal)) => write!(f, ".{} {} {literal}", then.sub, op.as_str()),
                },
            }
        }
    }
}

fn print_all(operands: &[Filter], between: &str, at_least: Binding, f: &mut Formatter<'_>) -> fmt::Result {
    for (index, operand) in operands.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        print(operand, at_least, f)?;
    }
    Ok(())
}

impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        print(self, Binding::Or, f)
    }
}

impl Display for PatchPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(selection) = &self.selection else {
            return self.path.fmt(f);
        };
        if let Some(urn) = &self.path.urn {
            write!(f, "{urn}:")?;
        }
        write!(f, "{}[{selection}]", self.path.name)?;
        match &self.path.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

/// The path in the schema's spelling, for messages.
impl Display for ResolvedPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Core => {}
            Place::Extension(urn) => write!(f, "{urn}:")?,
            Place::Claims => f.write_str("claims.")?,
        }
        f.write_str(&self.attribute)?;
        match self.sub_attribute {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}
