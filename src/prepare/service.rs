//! Environment files of systemd (systemd.exec(5), `EnvironmentFile=`). Pure.

/// The lines of such a file. They mean the same to a shell.
pub(super) fn environment_file(variables: &[(&str, &str)]) -> String {
    let mut file = super::WRITTEN.to_owned();
    for (name, value) in variables {
        file.push_str(name);
        file.push_str("=\"");
        for character in value.chars() {
            if matches!(character, '"' | '\\' | '`' | '$') {
                file.push('\\');
            }
            file.push(character);
        }
        file.push_str("\"\n");
    }
    file
}

#[cfg(test)]
mod tests {
    use super::super::env_file::parse;
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let values = [
            ("A", r#"a"b\c`d$e'f"#),
            ("B", ""),
            ("C", "# ; $(x) %h é"),
            ("D", r"m\/n"),
            ("E", r"\"),
        ];
        let file = environment_file(&values);
        let read = parse(file.as_bytes()).unwrap();
        let read: Vec<_> = read.iter().map(|it| (it.name.as_str(), it.value.reveal())).collect();
        assert_eq!(read, values);
        assert!(file.ends_with("D=\"m\\\\/n\"\nE=\"\\\\\"\n"), "{file}");
    }
}
