//! What stands above credentials: teams, organizations, people and end users, and the toolsets that they
//! and keys grant. All of it is in memory, as fresh as the store's change feed.

mod admin;
mod entry;
mod index;
mod level;
mod place;
mod seal;

pub use admin::{Changed, DirectoryAdmin, DirectoryError, Listed, Shown, is_unlimited};
pub use entry::{Defined, FileDirectory, MemberRole, Toolset};
pub use index::Directory;
pub use seal::entry_seal;
