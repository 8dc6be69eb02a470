//! What both programs set about their own process.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit of open files and sockets to the most that the system allows, as Go's runtime does by itself: many
/// container runtimes start a process with 1,024, which a crowd of connections exceeds.
pub fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(error = %error, "the limit of open files stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_becomes_the_most_that_is_allowed() {
        let before = getrlimit(Resource::Nofile);
        let mut lower = before;
        lower.current = Some(64);
        setrlimit(Resource::Nofile, lower).unwrap();
        raise_descriptor_limit();
        assert_eq!(getrlimit(Resource::Nofile), rustix::process::Rlimit { current: before.maximum, ..before });
    }
}
