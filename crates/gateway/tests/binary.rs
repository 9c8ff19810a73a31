//! The binary as scripts and service supervisors meet it.

#[cfg(test)]
mod binary {
    use std::io::{BufReader, Read, Write};
    use std::net::TcpStream;
    use std::process::{Child, Command, Output, Stdio};

    use portcullis_testkit::eventually;
    use serde::Deserialize;
    use serde_json::Value;

    fn portcullis(args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command
            .args(args)
            .env_remove("PORTCULLIS_URL")
            .env_remove("PORTCULLIS_API_KEY")
            .env_remove("PORTCULLIS_CONFIG")
            .env_remove("PORTCULLIS_LOG");
        command
    }

    fn run(args: &[&str]) -> Output {
        portcullis(args).output().unwrap()
    }

    #[test]
    fn help_names_every_verb_and_the_exit_codes() {
        let output = run(&["--help"]);
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        for part in [
            "serve",
            "check",
            "init",
            "demo",
            "mock",
            "keys",
            "servers",
            "tools",
            "audit",
            "schema",
            "Exit codes",
        ] {
            assert!(text.contains(part), "{part}");
        }
        assert!(!text.contains("detailed_debug"));
    }

    #[test]
    fn a_mistyped_option_or_log_filter_ends_with_2() {
        for args in [
            &["--confg", "x"][..],
            &["tools", "call"],
            &["mock", "--host", "nowhere"],
            &["completions", "bash", "--log", "=!="],
        ] {
            assert_eq!(run(args).status.code(), Some(2), "{args:?}");
        }
    }

    struct Running {
        child: Child,
        report: Value,
    }

    impl Running {
        fn mock() -> Self {
            let mut child = portcullis(&["mock", "--port", "0", "--output", "json"])
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let stdout = BufReader::new(child.stdout.take().unwrap());
            let mut documents = serde_json::Deserializer::from_reader(stdout);
            let report = Value::deserialize(&mut documents).unwrap();
            Self { child, report }
        }

        fn signal(&self, name: &str) {
            let id = self.child.id().to_string();
            let sent = Command::new("kill").args(["-s", name, &id]).status();
            assert!(sent.unwrap().success());
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    #[test]
    fn the_mock_says_where_it_is_and_ends_with_0_on_the_first_signal() {
        for signal in ["TERM", "INT"] {
            let mut running = Running::mock();
            let url = running.report["url"].as_str().unwrap();
            assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/mcp"));
            running.signal(signal);
            assert_eq!(running.child.wait().unwrap().code(), Some(0), "{signal}");
        }
    }

    #[test]
    fn a_port_that_is_taken_is_a_failure_that_names_it() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let mut child = portcullis(&["mock", "--port", &port])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut text = String::new();
        let mut stderr = child.stderr.take().unwrap();
        stderr.read_to_string(&mut text).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1));
        assert!(
            text.contains(&format!("cannot listen on 127.0.0.1:{port}")),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_second_signal_does_not_wait_for_a_request_that_never_ends() {
        let mut running = Running::mock();
        let address = running.report["url"].as_str().unwrap();
        let address = address
            .trim_start_matches("http://")
            .trim_end_matches("/mcp");
        let address = address.to_owned();
        let mut endless = TcpStream::connect(&address).unwrap();
        let head = "POST /oauth/token HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
        Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n";
        endless.write_all(head.as_bytes()).unwrap();
        // The interim answer proves that the handler is waiting for the body.
        let mut interim = [0_u8; 12];
        endless.read_exact(&mut interim).unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100");
        running.signal("TERM");
        let shut = async || TcpStream::connect(&address).is_err();
        eventually("the door is shut", shut).await;
        assert!(running.child.try_wait().unwrap().is_none());
        running.signal("TERM");
        assert_eq!(running.child.wait().unwrap().code(), Some(1));
    }
}
