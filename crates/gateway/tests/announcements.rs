//! What a gateway says at its start: nothing that contradicts itself, nothing twice.

#[cfg(test)]
mod announcements {
    use portcullis_testkit::gateway::Process;

    const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
    const REFUSED: &str = "every request is refused";

    /// Serves until the start has been announced; what was logged until then.
    fn announced(folder: &std::path::Path, args: &[&str]) -> String {
        let mut process = Process::serve(PORTCULLIS, folder, args, &[]);
        assert!(process.end().success());
        process.log()
    }

    #[test]
    fn a_gateway_whose_keys_are_in_the_store_does_not_say_that_nobody_can_call() {
        let folder = tempfile::tempdir().unwrap();
        let first = announced(folder.path(), &["--port", "0"]);
        assert!(!first.contains(REFUSED), "{first}");
        let second = announced(folder.path(), &["--port", "0"]);
        assert!(!second.contains(REFUSED), "{second}");
    }

    #[test]
    fn a_gateway_without_any_key_says_so_and_how_to_make_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("c.yaml"), "store: {path: empty.db}\n").unwrap();
        let said = announced(folder.path(), &["--config", "c.yaml", "--port", "0"]);
        assert_eq!(said.matches(REFUSED).count(), 1, "{said}");
        assert!(said.contains("portcullis keys create"), "{said}");
    }

    #[test]
    fn a_relaxed_choice_is_announced_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("c.yaml"),
            "general_settings: {master_key: sk-1234}\n",
        )
        .unwrap();
        let said = announced(folder.path(), &["--config", "c.yaml", "--port", "0"]);
        assert_eq!(said.matches("the master key is weak").count(), 1, "{said}");
        assert!(said.contains("relaxed by the configuration"), "{said}");
        assert!(!said.contains("warning: "), "{said}");
    }
}
