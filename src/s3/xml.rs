//! The XML that S3 answers with, read piece by piece.

/// Reads a document from its beginning. Not a validating reader: comments, declarations and
/// attributes are passed over, prefixes of names too, and a document that was cut simply ends.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    rest: &'a str,
    /// The element that was opened by a tag that closes itself.
    closing: Option<&'a str>,
}

/// One piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// An opening tag, by its local name.
    Open(&'a str),
    /// A closing tag, by its local name.
    Close(&'a str),
    /// Text, unescaped; whitespace between elements is text too.
    Text(String),
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, closing: None }
    }

    /// The next piece; None at the end, and where the document was cut inside a tag.
    pub(super) fn next(&mut self) -> Option<Piece<'a>> {
        if let Some(name) = self.closing.take() {
            return Some(Piece::Close(name));
        }
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let Some(tag) = self.rest.strip_prefix('<') else {
                let (text, rest) =
                    self.rest.split_at(self.rest.find('<').unwrap_or(self.rest.len()));
                self.rest = rest;
                return Some(Piece::Text(unescape(text)));
            };
            if let Some(data) = tag.strip_prefix("![CDATA[") {
                let (data, rest) = data.split_once("]]>").unwrap_or((data, ""));
                self.rest = rest;
                return Some(Piece::Text(data.to_owned()));
            }
            let passed_over = match tag {
                _ if tag.starts_with("!--") => Some("-->"),
                _ if tag.starts_with('?') => Some("?>"),
                _ if tag.starts_with('!') => Some(">"),
                _ => None,
            };
            if let Some(end) = passed_over {
                self.rest = tag.split_once(end)?.1;
                continue;
            }
            let (tag, rest) = tag.split_once('>')?;
            self.rest = rest;
            if let Some(name) = tag.strip_prefix('/') {
                return Some(Piece::Close(local(name)));
            }
            let (name, closes) = match tag.strip_suffix('/') {
                Some(name) => (local(name), true),
                None => (local(tag), false),
            };
            self.closing = closes.then_some(name);
            return Some(Piece::Open(name));
        }
    }

    /// Goes on behind the next opening tag of this name; tells whether there is one.
    pub(super) fn enter(&mut self, name: &str) -> bool {
        while let Some(piece) = self.next() {
            if piece == Piece::Open(name) {
                return true;
            }
        }
        false
    }

    /// The text of the element that was just opened, up to its end; whether the end was there too.
    /// What is inside elements within it does not belong to it.
    pub(super) fn text(&mut self) -> (String, bool) {
        let (mut content, mut depth) = (String::new(), 0_usize);
        while let Some(piece) = self.next() {
            match piece {
                Piece::Text(text) if depth == 0 => content.push_str(&text),
                Piece::Text(_) => {}
                Piece::Open(_) => depth += 1,
                Piece::Close(_) if depth == 0 => return (content, true),
                Piece::Close(_) => depth -= 1,
            }
        }
        (content, false)
    }
}

/// A tag's name without attributes and prefix.
fn local(tag: &str) -> &str {
    let name = tag.split([' ', '\t', '\r', '\n']).next().unwrap_or_default();
    name.rsplit(':').next().unwrap_or_default()
}

/// Replaces the five named entities and the numeric ones; what is not one stays (XML 1.0 section
/// 4.6 and 4.1).
fn unescape(text: &str) -> String {
    let (mut unescaped, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('&') {
        unescaped.push_str(before);
        let entity = after.split_once(';').and_then(|(entity, after)| {
            let character = match entity {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => {
                    let number = entity.strip_prefix('#')?;
                    let code = match number.strip_prefix('x') {
                        Some(hex) => u32::from_str_radix(hex, 16),
                        None => number.parse(),
                    };
                    char::from_u32(code.ok()?)?
                }
            };
            Some((character, after))
        });
        rest = match entity {
            Some((character, after)) => {
                unescaped.push(character);
                after
            }
            None => {
                unescaped.push('&');
                after
            }
        };
    }
    unescaped.push_str(rest);
    unescaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<String> {
        let mut reader = Reader::new(text);
        std::iter::from_fn(|| reader.next())
            .map(|piece| match piece {
                Piece::Open(name) => format!("<{name}"),
                Piece::Close(name) => format!("{name}>"),
                Piece::Text(text) => text,
            })
            .collect()
    }

    #[test]
    fn piece_by_piece() {
        let text = "<?xml version=\"1.0\"?><!DOCTYPE x><!-- <b> --><a xmlns=\"x\">1&lt;2<b/><s:c x='1' \
                    />&#233;&#xe9; &unknown; &<![CDATA[<&amp;]]></a>";
        assert_eq!(
            pieces(text),
            ["<a", "1<2", "<b", "b>", "<c", "c>", "éé &unknown; &", "<&amp;", "a>"]
        );
    }

    #[test]
    fn a_cut_document_ends() {
        for text in ["<", "<a", "<?", "<!-- ", "</a", "<!"] {
            assert_eq!(pieces(text), Vec::<String>::new(), "{text}");
        }
        assert_eq!(pieces("<![CDATA[x"), ["x"]);
    }

    #[test]
    fn the_text_of_an_element() {
        let mut reader = Reader::new("<a><b>1<c>2<d/></c>3</b><b>4");
        assert!(reader.enter("b"));
        assert_eq!(reader.text(), ("13".to_owned(), true));
        assert!(reader.enter("b"));
        assert_eq!(reader.text(), ("4".to_owned(), false));
        assert!(!reader.enter("b"));
    }
}
