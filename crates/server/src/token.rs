//! `meterhouse token`: who may come in.

use std::process::ExitCode;

use registry::{Registry, Scopes, Sqlite, Token, TokenId, Which};

use crate::cli::{self, Common};
use crate::exit::Usage;
use crate::settings::Settings;
use crate::{output, wire};

pub fn token(common: Common, _settings: Settings, command: cli::Token) -> anyhow::Result<ExitCode> {
    if common.server.is_some() {
        return Err(Usage(
            "tokens are made on the machine of the data directory, with its server stopped: leave --server out".into(),
        )
        .into());
    }
    let (_disk, _lock) = wire::enter(&common.data_dir)?;
    let registry = Sqlite::open(&common.data_dir)?;
    let tenant = wire::tenant(&registry, &common.tenant)?;
    match command {
        cli::Token::Create { scopes, label } => {
            let scopes = Scopes::parse(&scopes)?;
            let (entropy, clock) = (host::OsEntropy, host::SystemClock::new());
            let issued = registry::issue(&registry, &entropy, &clock, tenant, scopes, &label)?;
            if common.json {
                println!("{}", serde_json::json!({ "id": issued.token.id.0, "token": issued.text.reveal() }));
            } else {
                eprintln!("token {} with scopes {scopes}; its text is shown this once:", issued.token.id.0);
                println!("{}", issued.text.reveal());
            }
        }
        cli::Token::List => list(&registry.tokens(Which::Of(tenant))?, common.json),
        cli::Token::Revoke { id } => {
            let token = registry.revoke_token(TokenId(id), host::Clock::now(&host::SystemClock::new()))?;
            list(&[token], common.json);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(tokens: &[Token], json: bool) {
    let revoked = |token: &Token| token.revoked.map(|at| at.to_string());
    if json {
        let rows: Vec<_> = tokens
            .iter()
            .map(|token| {
                serde_json::json!({
                    "id": token.id.0, "scopes": token.scopes.to_string(), "label": token.label,
                    "created": token.created.to_string(), "revoked": revoked(token),
                })
            })
            .collect();
        println!("{}", serde_json::Value::Array(rows));
        return;
    }
    let mut rows = vec![["id", "scopes", "label", "created", "revoked"].map(String::from).to_vec()];
    rows.extend(tokens.iter().map(|token| {
        let id = token.id.0.to_string();
        vec![
            id,
            token.scopes.to_string(),
            token.label.clone(),
            token.created.to_string(),
            revoked(token).unwrap_or_default(),
        ]
    }));
    print!("{}", output::table(&rows));
}
