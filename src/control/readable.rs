//! JSON for people. Pure.

use serde_json::Value;

/// The value as indented lines, `name: value`, with `- ` before each entry of a list.
pub(super) fn readable(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

/// The value, after which a line ends. What stands in the first line is indented already.
fn write(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (index, (name, value)) in members.iter().enumerate() {
                begin(index, indent, out);
                write_text(name, out);
                out.push(':');
                if is_short(value) {
                    out.push(' ');
                    write(value, indent, out);
                } else {
                    out.push('\n');
                    out.extend(std::iter::repeat_n(' ', indent + 2));
                    write(value, indent + 2, out);
                }
            }
        }
        Value::Array(entries) if !is_short(value) => {
            for (index, entry) in entries.iter().enumerate() {
                begin(index, indent, out);
                out.push_str("- ");
                write(entry, indent + 2, out);
            }
        }
        short => {
            write_short(short, out);
            out.push('\n');
        }
    }
}

fn begin(index: usize, indent: usize, out: &mut String) {
    if index > 0 {
        out.extend(std::iter::repeat_n(' ', indent));
    }
}

/// Whether it fits into a line: numbers in a list do, and nothing in nothing.
fn is_short(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(entries) => entries.iter().all(|entry| entry.is_number()),
        _ => true,
    }
}

fn write_short(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => write_text(text, out),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(entries) => {
            out.push('[');
            for (index, entry) in entries.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_short(entry, out);
            }
            out.push(']');
        }
    }
}

/// A terminal is told nothing but text.
fn write_text(text: &str, out: &mut String) {
    for character in text.chars() {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_and_lists() {
        assert_eq!(readable(&json!("succeeded")), "succeeded\n");
        assert_eq!(readable(&json!([])), "[]\n");
        assert_eq!(readable(&json!({})), "{}\n");
        assert_eq!(readable(&json!("a\x1b[2Jb\n")), "a\\u{1b}[2Jb\\n\n");
        let models = json!([
            {"inputs": [{"name": "x", "shape": [1, 64], "type": 5}], "name": "digits"},
            {"inputs": [], "name": "other", "note": null, "ok": true},
        ]);
        assert_eq!(
            readable(&models),
            "\
- inputs:
    - name: x
      shape: [1, 64]
      type: 5
  name: digits
- inputs: []
  name: other
  note: null
  ok: true
"
        );
        assert_eq!(
            readable(&json!({"details": {"output": ["a", "b"]}, "response": "successful"})),
            "\
details:
  output:
    - a
    - b
response: successful
"
        );
    }
}
