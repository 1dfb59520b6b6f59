//! Options of a command, in any order.

/// What the words of a command are.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    set: Vec<(&'a str, &'a str)>,
    /// What is no option.
    pub(super) rest: Vec<&'a str>,
}

impl<'a> Options<'a> {
    /// Reads words: options that have a value, `--name VALUE` or `--name=VALUE`, flags, and others.
    pub(super) fn read(words: &[&'a str], valued: &[&str], flags: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            if valued.contains(&name) {
                let value = if name == *word { words.next().unwrap_or(&"") } else { value };
                if value.is_empty() {
                    return Err(["what belongs to ", name, " is missing"].concat());
                }
                options.set.push((name, value));
            } else if flags.contains(word) {
                options.set.push((word, ""));
            } else if word.starts_with("--") {
                return Err(["cannot make sense of ", word, " here"].concat());
            } else {
                options.rest.push(word);
            }
        }
        Ok(options)
    }

    /// The value of an option that is set; of several, the last one. Of a flag it is empty.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.set.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}
