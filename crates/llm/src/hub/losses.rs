//! What a translation could not say.

use crate::json::{Json, ObjectText};

/// Something that the target's format has no word for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Where it stood, in the words of the format that it came in.
    pub path: String,
    /// Why it was left out, or what was said in its place.
    pub reason: &'static str,
}

/// A member that the hub has no place for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// Where it stands.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Its value, untouched.
    pub value: Json,
}

/// Members that the hub has no place for, in the order written.
pub type Extras = Vec<Extra>;

/// What has been lost so far.
#[derive(Debug, Default)]
pub(crate) struct Losses(Vec<Dropped>);

impl Losses {
    pub(crate) fn note(&mut self, path: impl Into<String>, reason: &'static str) {
        self.0.push(Dropped {
            path: path.into(),
            reason,
        });
    }

    /// Writes what the hub had no place for into an object of the same format, or notes it.
    pub(crate) fn extras(&mut self, same_format: bool, extras: &[Extra], object: &mut ObjectText) {
        if same_format {
            for extra in extras {
                object.json(&extra.name, &extra.value);
            }
        } else {
            self.drop_extras(extras);
        }
    }

    pub(crate) fn drop_extras(&mut self, extras: &[Extra]) {
        for extra in extras.iter().filter(|extra| !extra.value.is_null()) {
            self.note(extra.path.as_str(), "the other format has no such member");
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Dropped> {
        self.0
    }

    pub(crate) fn drain(&mut self) -> Vec<Dropped> {
        std::mem::take(&mut self.0)
    }
}
