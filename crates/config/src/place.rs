//! Where a key stands in the file, for those who speak of it long after it was read.

use crate::tree::{self, Node, Value};

/// A place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPlace {
    /// From 1.
    pub line: usize,
    /// The key stands there; otherwise this is where it would have to be written.
    pub exact: bool,
}

/// The line of a key, given as the keys that lead to it; of what would hold it, where it is not
/// written. `None`: the text holds nothing of it.
pub fn place_of(text: &str, path: &[&str]) -> Option<KeyPlace> {
    let (root, _) = tree::parse(text);
    let mut node: Node = root?;
    let mut line = None;
    for (depth, key) in path.iter().enumerate() {
        let Value::Map(entries) = node.value else {
            break;
        };
        let Some(entry) = entries.into_iter().find(|entry| entry.key == *key) else {
            break;
        };
        line = Some(KeyPlace {
            line: entry.key_span.line,
            exact: depth + 1 == path.len(),
        });
        node = entry.node;
    }
    line.filter(|place| place.line > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_line_and_a_missing_one_by_where_it_belongs() {
        let text = "server: {port: 1}\nmcp_servers:\n  a.b:\n    url: https://x\n  c: {}\n";
        let place = |path: &[&str]| place_of(text, path).map(|place| (place.line, place.exact));
        assert_eq!(place(&["mcp_servers", "a.b", "url"]), Some((4, true)));
        assert_eq!(
            place(&["mcp_servers", "a.b", "token_url"]),
            Some((3, false))
        );
        assert_eq!(place(&["mcp_servers", "d", "url"]), Some((2, false)));
        assert_eq!(place(&["server", "port", "deeper"]), Some((1, false)));
        assert_eq!(place(&["identity"]), None);
        assert_eq!(place_of("a: [", &["a"]), None);
    }
}
