//! `meterhouse view`: the lake for other engines.

use std::process::ExitCode;

use crate::cli::Common;
use crate::exit::Usage;
use crate::wire::LAKE_DIR;

pub fn view(common: &Common) -> anyhow::Result<ExitCode> {
    let lake = std::path::absolute(common.data_dir.join(LAKE_DIR))?;
    let Some(lake) = lake.to_str() else {
        return Err(Usage(format!("{} is not UTF-8, which DuckDB needs", lake.display())).into());
    };
    println!("{}", store::outside_view_sql(lake));
    Ok(ExitCode::SUCCESS)
}
