//! `abide deploy`: uploads a component.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Args;

use super::client::Server;
use crate::id::ClassName;

/// Upload a component as the new version of a class.
#[derive(Debug, Args)]
pub struct Deploy {
    /// The component, as built for the target wasm32-wasip2
    file: PathBuf,
    /// The class [default: the file's name without .wasm]
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    #[command(flatten)]
    server: Server,
}

impl Deploy {
    /// Uploads and says what runs then.
    #[expect(clippy::print_stdout, reason = "this is for the person at the terminal")]
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let component =
            fs::read(&self.file).with_context(|| format!("cannot read {}", self.file.display()))?;
        let class: ClassName = if let Some(class) = &self.class {
            class.parse()?
        } else {
            let stem = self.file.file_stem().unwrap_or_default().to_string_lossy();
            stem.parse().context("the file's name is no class name; set --class")?
        };
        let deployed = self.server.put(&format!("/v1/classes/{class}"), &component)?;
        let version = &deployed["version"];
        if deployed["unchanged"] == true {
            println!("{class} runs these bytes already, as version {version}");
        } else {
            println!("{class} runs version {version} ({} bytes)", component.len());
        }
        Ok(ExitCode::SUCCESS)
    }
}
