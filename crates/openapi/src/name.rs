//! Names that every model provider accepts, one for each thing, the same on every start.

use std::collections::HashSet;

use portcullis_core::{hex, sha256};

/// Hexadecimal digits that tell apart what was cut.
const MARK: usize = 8;

/// A tool's name as LiteLLM makes it: lower case, everything unusual an underscore.
pub(crate) fn of_tool(operation_id: &str) -> String {
    sanitised(&operation_id.to_lowercase(), |letter| {
        letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')
    })
}

/// An argument's name: as the document has it, as far as every provider takes it.
pub(crate) fn of_argument(name: &str) -> String {
    sanitised(name, |letter| {
        letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.')
    })
}

fn sanitised(name: &str, usual: impl Fn(char) -> bool) -> String {
    let name: String = name
        .chars()
        .map(|letter| if usual(letter) { letter } else { '_' })
        .collect();
    if name.is_empty() {
        "_".to_owned()
    } else {
        name
    }
}

/// Hands out names of at most `most` bytes, each once.
#[derive(Debug)]
pub(crate) struct Names {
    most: usize,
    taken: HashSet<String>,
}

impl Names {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            taken: HashSet::new(),
        }
    }

    /// This name, or the next free one after it. It must be of ASCII letters.
    pub(crate) fn claim(&mut self, wanted: &str) -> String {
        let fitting = self.fitting(wanted);
        if self.taken.insert(fitting.clone()) {
            return fitting;
        }
        // Ends: only finitely many names are taken.
        let mut number = 2_usize;
        loop {
            let name = self.fitting(&format!("{wanted}_{number}"));
            if self.taken.insert(name.clone()) {
                return name;
            }
            number += 1;
        }
    }

    /// What is too long is cut, and marked by the whole of it.
    fn fitting(&self, name: &str) -> String {
        if name.len() <= self.most {
            return name.to_owned();
        }
        let mark = hex(&sha256(name.as_bytes()));
        let mark = mark.get(..MARK).unwrap_or_default();
        let kept = name.get(..self.most - MARK - 1).unwrap_or_default();
        format!("{kept}_{mark}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_short_and_each_given_once() {
        let mut names = Names::new(64);
        assert_eq!(names.claim(&of_tool("getUser by/Id")), "getuser_by_id");
        assert_eq!(names.claim(&of_tool("getUser by/Id")), "getuser_by_id_2");
        let long = "a".repeat(80);
        let (one, other) = (names.claim(&long), names.claim(&format!("{long}b")));
        assert_eq!((one.len(), other.len()), (64, 64));
        assert_ne!(one, other);
        assert_eq!(Names::new(64).claim(&long), one, "the same on every start");
        assert_ne!(names.claim(&long), one);
        assert_eq!(of_tool(""), "_");
    }
}
