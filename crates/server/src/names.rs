//! What channels are called, for a hash of the state that does not depend on
//! which numbers they were given.

use std::collections::HashMap;

use arrow::array::AsArray;
use arrow::datatypes::{Int8Type, Int32Type, Int64Type};
use meter::{ChannelId, TenantId};
use store::{ScanRequest, ScanTable, Snapshot};

/// A hash of every reading and every version of it, the same in whatever order
/// they arrived, as hexadecimal.
pub fn state_hash(snapshot: &Snapshot) -> Result<String, store::Error> {
    let names = names(snapshot)?;
    let hash = snapshot.state_hash(&mut |tenant, channel| {
        Ok(names.get(&(tenant, channel)).cloned().unwrap_or_else(|| format!("?{}", channel.0)))
    })?;
    Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn names(snapshot: &Snapshot) -> Result<HashMap<(TenantId, ChannelId), String>, store::Error> {
    let mut names = HashMap::new();
    for part in snapshot.scan(&ScanRequest::all(ScanTable::Channels))? {
        for batch in part {
            let batch = batch?;
            let text = |column: usize| batch.column(column).as_string::<i32>();
            for row in 0..batch.num_rows() {
                let channel = ChannelId(batch.column(0).as_primitive::<Int64Type>().value(row));
                let tenant = TenantId(batch.column(1).as_primitive::<Int32Type>().value(row));
                let kind = batch.column(5).as_primitive::<Int8Type>().value(row);
                let parts = [text(2).value(row), text(3).value(row), text(4).value(row)];
                names.insert((tenant, channel), format!("{parts:?}/{kind}"));
            }
        }
    }
    Ok(names)
}
