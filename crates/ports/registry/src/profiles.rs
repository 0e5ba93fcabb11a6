//! Which profile a format's name means, and what it says.
//!
//! Promise: a door turns a name into one that means the same for ever
//! (`csv/acme` into `csv/acme@3`), and whoever reads the journal finds under it
//! what was in force there. What is built in goes before anything of a tenant's own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use meter::TenantId;
use parse::csv::{Mapping, ProfileError, ProfileName, name};
use parse::{Format, UnknownFormat};

use crate::{Error, NewProfile, Profile, Registry, Result};

/// Profiles ready for reading, with their options: each of a few kB.
const READY_MAX: usize = 256;

/// The profiles of all tenants; shared by the doors and by those who read the journal.
pub struct Profiles {
    registry: Arc<dyn Registry>,
    ready: Mutex<HashMap<(TenantId, String), Format>>,
}

impl Profiles {
    /// Those in `registry`.
    pub fn new(registry: Arc<dyn Registry>) -> Arc<Profiles> {
        Arc::new(Profiles { registry, ready: Mutex::default() })
    }

    /// The format that a sender names, with the version in force. Blocks.
    pub fn in_force(&self, tenant: TenantId, name: &str) -> Result<Format> {
        let Some(own) = own(name)? else { return Ok(Format::named(name)?) };
        let missing = || Error::NoSuchProfile { name: name.to_owned() };
        let found = self.registry.profile(tenant, own.plain, own.version)?.ok_or_else(missing)?;
        self.compiled(tenant, own.at(found.version), &found)
    }

    /// The format of a name in the journal; `None` if there is no such format, and the
    /// content tells. Blocks where the profile was not asked for before.
    pub fn stored(&self, tenant: TenantId, name: &str) -> Result<Option<Format>> {
        let Ok(Some(own)) = own(name) else { return Ok(Format::from_name(name)) };
        let key = (tenant, name.to_owned());
        if let Some(ready) = self.ready().get(&key) {
            return Ok(Some(ready.clone()));
        }
        let missing = || Error::NoSuchProfile { name: name.to_owned() };
        // Without a version it would mean another thing tomorrow.
        own.version.ok_or_else(missing)?;
        let found = self.registry.profile(tenant, own.plain, own.version)?.ok_or_else(missing)?;
        let format = self.compiled(tenant, name.to_owned(), &found)?;
        Ok(Some(format))
    }

    /// Adds a version, if it can be read. Blocks.
    pub fn add(&self, new: &NewProfile<'_>) -> Result<Profile> {
        name::check(new.name)?;
        let whole = format!("csv/{}", new.name);
        if ProfileName::parse(&whole)?.is_built_in() {
            return Err(Error::ProfileBuiltIn { name: whole });
        }
        Mapping::own(&whole, new.toml)?;
        self.registry.add_profile(new)
    }

    /// One of a tenant's own, the newest version unless another is named. Blocks.
    pub fn find(&self, tenant: TenantId, plain: &str, version: Option<u32>) -> Result<Profile> {
        let missing = || Error::NoSuchProfile { name: plain.to_owned() };
        self.registry.profile(tenant, plain, version)?.ok_or_else(missing)
    }

    /// All versions of a tenant's own. Blocks.
    pub fn all(&self, tenant: TenantId) -> Result<Vec<Profile>> {
        self.registry.profiles(tenant)
    }

    fn compiled(&self, tenant: TenantId, name: String, found: &Profile) -> Result<Format> {
        let key = (tenant, name);
        if let Some(ready) = self.ready().get(&key) {
            return Ok(ready.clone());
        }
        let format = Format::Csv(Mapping::own(&key.1, &found.toml)?);
        let mut ready = self.ready();
        if ready.len() >= READY_MAX {
            // Versions never change, so all it costs is to compile them again.
            ready.clear();
        }
        ready.insert(key, format.clone());
        Ok(format)
    }

    fn ready(&self) -> std::sync::MutexGuard<'_, HashMap<(TenantId, String), Format>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parts of a name, if a profile can be called so that is not built in.
fn own(name: &str) -> Result<Option<ProfileName<'_>>> {
    match Format::named(name) {
        Err(UnknownFormat::Profile { error: ProfileError::Unknown { .. }, .. }) => {
            let parsed = ProfileName::parse(name)?;
            Ok((!parsed.is_built_in()).then_some(parsed))
        }
        _ => Ok(None),
    }
}

impl Profile {
    /// The hash of its file, hexadecimal.
    pub fn sha256_hex(&self) -> String {
        self.sha256.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
