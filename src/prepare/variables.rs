//! What the variables of an env file are in the end. Pure.

use super::env_file::Assignment;
use crate::config::Lookup;
use crate::secret::Secret;

/// A variable's value, and where it comes from.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: Secret,
    /// The line that names it.
    pub(super) line: usize,
    /// Whether the value is that of this process's environment.
    pub(super) inherited: bool,
}

/// All of them, each once, in the file's order.
#[derive(Debug, Default)]
pub(crate) struct Variables(Vec<Variable>);

impl Variables {
    /// Does the assignments in turn, as a shell that has this environment.
    pub(super) fn settle(assignments: Vec<Assignment>, environment: Lookup<'_>) -> Self {
        let mut all = Self::default();
        for Assignment { line, name, value, unless } in assignments {
            let Some(unless) = unless else {
                all.put(Variable { name, value, line, inherited: false });
                continue;
            };
            let inherited = environment(&unless).filter(|value| !value.is_empty());
            match (all.find(&unless), inherited) {
                (Some(known), _) if !known.value.reveal().is_empty() => {}
                (None, Some(inherited)) => {
                    if unless == name {
                        let value = Secret::new(inherited.to_string_lossy());
                        all.put(Variable { name, value, line, inherited: true });
                    }
                }
                _ => all.put(Variable { name, value, line, inherited: false }),
            }
        }
        all
    }

    fn put(&mut self, variable: Variable) {
        match self.0.iter_mut().find(|known| known.name == variable.name) {
            Some(known) => *known = variable,
            None => self.0.push(variable),
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Variable> {
        self.0.iter().find(|known| known.name == name)
    }

    /// The value; none where it is empty, which counts as not set.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.find(name).map(|known| known.value.reveal()).filter(|value| !value.is_empty())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::env_file::parse;
    use super::*;

    #[test]
    fn as_a_shell_has_it() {
        let file = "\
A=1
A=2
if [ -z \"$A\" ]; then A=3; fi
if [ -z \"$B\" ]; then B=4; fi
if [ -z \"$C\" ]; then C=5; fi
if [ -z \"$D\" ]; then D=6; fi
C=
if [ -z \"$C\" ]; then C=7; fi
P=8
if [ -z \"$B\" ]; then E=9; fi
if [ -z \"$P\" ]; then F=9; fi
";
        let environment = |name: &str| match name {
            "B" | "P" => Some("outside".into()),
            "D" => Some("".into()),
            _ => None,
        };
        let all = Variables::settle(parse(file.as_bytes()).unwrap(), &environment);
        let show = |it: &Variable| format!("{}{}={}", it.line, it.name, it.value.reveal());
        let shown: Vec<String> = all.iter().map(show).collect();
        assert_eq!(shown, ["2A=2", "4B=outside", "8C=7", "6D=6", "9P=8"]);
        let inherited: Vec<&str> =
            all.iter().filter(|it| it.inherited).map(|it| it.name.as_str()).collect();
        assert_eq!(inherited, ["B"]);
    }
}
