//! The binary `meterhouse`: one command line over all roles.
//!
//! Promise: every command says what it did, exits 0 only if it did it, and
//! with `--json` says so to a program.
//!
//! Read: `cli.rs` (what a person types), `settings.rs` and `default.toml`,
//! `format.rs` (the data directory's own version), `manifest.rs` and `backup.rs`
//! (what a backup is), `formats.rs` (all versions), `wire.rs` (engines are chosen here and nowhere else), `memory.rs` (the allocator),
//! `descriptors.rs` (open files), then one file a command.

mod cli;
mod settings;
mod format;
mod manifest;
mod formats;
mod backup;
mod retain;
mod wire;
mod memory;
mod threads;
mod descriptors;
mod exit;
mod output;
mod length;
mod tls;
mod connect;
mod remote;
mod ask;
mod names;
mod inbox;
mod control;
mod traces;
mod serve;
mod applied;
mod import;
mod parse_file;
mod sql;
mod export;
mod refused;
mod verify;
mod view;
mod take_backup;
mod restore;
mod doctor;
mod size;
mod profile;
mod token;
mod demo;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    threads::end_without();
    let cli = cli::Cli::parse();
    let json = cli.common.json;
    match run(cli) {
        Ok(code) => code,
        Err(error) => exit::report(&error, json),
    }
}

fn run(cli: cli::Cli) -> anyhow::Result<ExitCode> {
    use cli::Command;
    let settings = settings::load(cli.common.config.as_deref())?;
    let quiet = !matches!(cli.command, Command::Serve { .. } | Command::Demo(_));
    output::start_logging(quiet, settings.log.json);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let common = cli.common;
    runtime.block_on(async move {
        match cli.command {
            Command::Serve { listen } => serve::serve(common, settings, listen).await,
            Command::Import(command) => import::import(common, settings, command).await,
            Command::Parse { file, format } => parse_file::parse_file(&file, format.as_deref()),
            Command::Sql { query, format } => sql::sql(common, settings, &query, format).await,
            Command::Export(cli::Export::Readings(command)) => export::readings(common, settings, command).await,
            Command::Refused(command) => refused::refused(common, settings, command).await,
            Command::View => view::view(&common),
            Command::Verify => verify::verify(common, settings).await,
            Command::Backup { to } => take_backup::backup(common, settings, &to).await,
            Command::Restore { from } => restore::restore(&common, &from),
            Command::Doctor { listen } => doctor::doctor(common, settings, listen).await,
            Command::Size(command) => size::size(&settings, &command, common.json),
            Command::Profile(command) => profile::profile(common, command).await,
            Command::Token(command) => token::token(common, settings, command),
            Command::Demo(command) => demo::demo(common, settings, command).await,
        }
    })
}
