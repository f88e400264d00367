//! `abide classes`: what is deployed.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::client::Server;

/// List the classes.
#[derive(Debug, Args)]
pub struct Classes {
    #[command(flatten)]
    server: Server,
}

impl Classes {
    /// Prints a line for each class.
    #[expect(clippy::print_stdout, reason = "this is for the person at the terminal")]
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let answer = self.server.get("/v1/classes")?;
        let classes = answer["classes"].as_array().map(Vec::as_slice).unwrap_or_default();
        println!("{:<24} {:>7} {:>10}  DIGEST", "CLASS", "VERSION", "BYTES");
        for class in classes {
            let text = |name: &str| class[name].as_str().unwrap_or_default().to_owned();
            let number = |name: &str| class[name].as_u64().unwrap_or_default();
            let digest: String = text("digest").chars().take(19).collect();
            let bundled = if class["bundled"] == Value::Bool(true) { "  bundled" } else { "" };
            println!(
                "{:<24} {:>7} {:>10}  {digest}{bundled}",
                text("class"),
                number("version"),
                number("size"),
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}
