//! What a person types.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::length::Length;

/// Where data lies unless someone says otherwise.
pub const DATA_DIR: &str = "meterhouse-data";

/// An open smart-meter data platform: loses no reading, counts none twice.
#[derive(Parser, Debug)]
#[command(name = "meterhouse", version, about, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args, Debug, Clone)]
pub struct Common {
    /// Where everything is kept; made on first use.
    #[arg(long, global = true, env = "METERHOUSE_DATA_DIR", default_value = DATA_DIR, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Work with a running server instead, such as http://127.0.0.1:8780 or https://meters.example.
    #[arg(long, global = true, env = "METERHOUSE_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// The token for that server.
    #[arg(long, global = true, env = "METERHOUSE_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Believe that server if a certificate in this PEM file vouches for it, instead of those this machine trusts.
    #[arg(long, global = true, env = "METERHOUSE_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Settings that differ from the defaults (docs/reference/settings.md).
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Answer in JSON, for programs.
    #[arg(long, global = true)]
    pub json: bool,
    /// The tenant to work for, by name.
    #[arg(long, global = true, default_value = "home", value_name = "NAME")]
    pub tenant: String,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the server: HTTP in, lake, SQL out. SIGTERM drains it.
    #[command(after_help = "Example: meterhouse serve --data-dir /var/lib/meterhouse")]
    Serve {
        /// Address to listen on, instead of the settings'.
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
    },
    /// Take in files; a file seen before changes nothing and is said so.
    #[command(after_help = "Example: meterhouse import readings/*.csv")]
    Import(Import),
    /// Show what would be read from a file, as CSV; nothing is stored.
    #[command(after_help = "Example: meterhouse parse readings.csv > read.csv")]
    Parse {
        file: PathBuf,
        /// nem12, nem13, protobuf, json, line or a CSV profile such as csv/esb-hdf; otherwise the content tells.
        #[arg(long)]
        format: Option<String>,
    },
    /// Ask in SQL.
    #[command(after_help = "Example: meterhouse sql \"select point, sum(quantity) from readings group by point\"")]
    Sql {
        query: String,
        #[arg(long, value_enum, default_value_t = SqlFormat::Table)]
        format: SqlFormat,
    },
    /// Write out what is stored.
    #[command(subcommand, after_help = "Example: meterhouse export readings --point CCCC123456 > readings.csv")]
    Export(Export),
    /// See what was not understood.
    #[command(subcommand, after_help = "Example: meterhouse refused show 3")]
    Refused(Refused),
    /// Read every stored byte again and check that all agrees.
    #[command(
        after_help = "Example: meterhouse verify --json\nExit code 0: all is well. 5: damage was found, each place is named."
    )]
    Verify,
    /// Copy everything, as of one moment, beside a running server or without one.
    #[command(
        after_help = "Example: meterhouse backup --data-dir /var/lib/meterhouse --to /mnt/backup\nA second backup into the same directory copies only what is new."
    )]
    Backup {
        /// A directory on another disk; made if it is missing.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Make a new data directory of a backup; every byte is checked first.
    #[command(after_help = "Example: meterhouse restore --from /mnt/backup --data-dir /var/lib/meterhouse")]
    Restore {
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
    },
    /// Look whether this machine can keep what the server promises, beside a running server or without one.
    #[command(
        after_help = "Example: meterhouse doctor --data-dir /var/lib/meterhouse --config meterhouse.toml\nExit code 0: nothing is bad. 1: something is, and what to do stands below it."
    )]
    Doctor {
        /// The address that the server is told to listen on, instead of the settings'.
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
    },
    /// How large a machine a fleet needs and what it costs a year, with the arithmetic.
    #[command(
        after_help = "Example: meterhouse size --homes 2000000 --registers 3 --every 15m --retain 5y\nThe prices are an example (crates/server/src/size/prices.toml): copy it, and give yours with --prices."
    )]
    Size(Size),
    /// Print the views with which DuckDB reads the lake, waiting corrections applied.
    #[command(after_help = "Example: meterhouse view > views.sql; duckdb -init views.sql")]
    View,
    /// Add profiles, by which tables are read, and try them out.
    #[command(
        subcommand,
        after_help = "Example: meterhouse profile test acme.toml --sample acme.csv && meterhouse profile add acme.toml\nThen: meterhouse import --format csv/acme acme.csv"
    )]
    Profile(Profile),
    /// Make, list and revoke tokens.
    #[command(subcommand, after_help = "Example: meterhouse token create --scopes write --label gateway-7")]
    Token(Token),
    /// A simulated town through the real HTTP door, some questions, then live readings until Ctrl-C.
    #[command(
        after_help = "Example: meterhouse demo --homes 100 --months 3\nExample: meterhouse demo --homes 10 --months 2 --write town --format nem12 --faults"
    )]
    Demo(Demo),
}

#[derive(Args, Debug)]
pub struct Import {
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// nem12, nem13, protobuf, json, line or a CSV profile such as csv/esb-hdf; otherwise the content tells.
    #[arg(long)]
    pub format: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum SqlFormat {
    Table,
    Csv,
    Json,
    Arrow,
}

#[derive(Subcommand, Debug)]
pub enum Export {
    /// Standing readings: point,device,register,start,end,value,unit,quality,reason.
    Readings(ExportReadings),
}

#[derive(Args, Debug)]
pub struct ExportReadings {
    #[arg(long, default_value = "csv", value_parser = ["csv"])]
    pub format: String,
    /// Only this point.
    #[arg(long)]
    pub point: Option<String>,
    /// Only readings that start at or after this RFC 3339 time.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Only readings that start before this RFC 3339 time.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
}

#[derive(Subcommand, Debug)]
pub enum Refused {
    /// Sources with refusals, counted by code.
    List,
    /// Every refusal of one source: place, reason and the input there.
    Show {
        /// The source's sequence number, from `refused list`.
        source: u64,
    },
}

#[derive(Subcommand, Debug)]
pub enum Profile {
    /// Those of the program, then every version of your own.
    List,
    /// The file of a profile: acme, acme@2, esb-hdf.
    Show { name: String },
    /// Add a profile, or its next version; from then on files of its name are read by it.
    Add {
        file: PathBuf,
        /// What it is called; otherwise as the file, without its ending.
        #[arg(long)]
        name: Option<String>,
    },
    /// Show what a profile would read of a sample; nothing is stored.
    #[command(after_help = "Exit code 0: readings were found, and they are what was expected. 3: none, or others.")]
    Test {
        /// The profile's file.
        file: PathBuf,
        /// A file of the kind it is for, or the beginning of one.
        #[arg(long, value_name = "FILE")]
        sample: PathBuf,
        /// What must be read of it: CSV as `meterhouse parse` writes it.
        #[arg(long, value_name = "FILE")]
        expect: Option<PathBuf>,
        /// As behind the question mark of a format, such as unit=kWh&zone=Europe/Dublin.
        #[arg(long, default_value = "", value_name = "OPTIONS")]
        options: String,
    },
}

#[derive(Subcommand, Debug)]
pub enum Token {
    /// Make a token; its text is shown once.
    Create {
        /// read, write, admin; several with commas.
        #[arg(long, default_value = "read,write")]
        scopes: String,
        /// Who or what it is for.
        #[arg(long, default_value = "")]
        label: String,
    },
    List,
    /// From then on nobody comes in with it.
    Revoke {
        id: i64,
    },
}

#[derive(Args, Debug)]
pub struct Size {
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub homes: u32,
    /// Of each home.
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    pub registers: u32,
    /// A register is read once in so long.
    #[arg(long, default_value = "15m", value_name = "TIME")]
    pub every: Length,
    /// Readings are kept for so long.
    #[arg(long, default_value = "5y", value_name = "TIME")]
    pub retain: Length,
    /// Each meter sends for itself, instead of a gateway for many.
    #[arg(long)]
    pub direct: bool,
    /// Your own price sheet.
    #[arg(long, value_name = "FILE")]
    pub prices: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Demo {
    /// Homes and shops, with electricity, water and heat.
    #[arg(long, default_value_t = 1_000)]
    pub homes: u32,
    /// Months of half-hours before now.
    #[arg(long, default_value_t = 13)]
    pub months: u32,
    /// Another seed is another town.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    #[arg(long, default_value = "127.0.0.1:8780", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Stop after the answers instead of going on.
    #[arg(long)]
    pub exit: bool,
    /// Write the town into files here instead, and the truth beside them; no server is run.
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
    /// The format of those files; nem12 has electricity only.
    #[arg(long, value_enum, default_value_t = DemoFormat::Csv, requires = "write")]
    pub format: DemoFormat,
    /// Messages in those files are missed, late, repeated and shuffled; the truth says which.
    #[arg(long, requires = "write")]
    pub faults: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum DemoFormat {
    Nem12,
    Csv,
    Json,
    Protobuf,
    Line,
}
