//! What every adapter of [`Registry`] passes.

use meter::{TenantId, Timestamp};

use crate::{
    Error, HOME, LABEL_BYTES_MAX, LEASE_BLOCKS_MAX, NewProfile, NewToken, PROFILES_BYTES_MAX, Registry, Scope, Scopes,
    TokenHash, TokenId, Which,
};

/// Panics where the contract is broken. `open` opens the same registry, new at
/// the first call, each time after the previous one was dropped.
pub fn check(open: &mut dyn FnMut() -> Box<dyn Registry>) {
    tenants_are_numbered_once(open);
    tokens_are_kept_by_hash(open);
    blocks_are_leased_once(open);
    a_version_of_a_profile_never_changes(open);
}

fn tenants_are_numbered_once(open: &mut dyn FnMut() -> Box<dyn Registry>) {
    let registry = open();
    let home = registry.tenants().expect("lists");
    assert_eq!(home.len(), 1);
    assert_eq!((home[0].id, home[0].name.as_str()), (TenantId(1), HOME));
    let north = registry.add_tenant("north-1").expect("adds");
    assert_eq!(north.id, TenantId(2));
    assert!(matches!(registry.add_tenant("north-1"), Err(Error::TenantExists(name)) if name == "north-1"));
    for bad in ["", "North", "a b", "../x", "é", &"n".repeat(65)] {
        assert!(matches!(registry.add_tenant(bad), Err(Error::TenantName(_))), "{bad}");
    }
    drop(registry);
    let names: Vec<String> = open().tenants().expect("lists").into_iter().map(|tenant| tenant.name).collect();
    assert_eq!(names, [HOME, "north-1"]);
}

fn tokens_are_kept_by_hash(open: &mut dyn FnMut() -> Box<dyn Registry>) {
    let registry = open();
    let new = |tenant, label: &str| NewToken {
        tenant: TenantId(tenant),
        scopes: Scopes::of(&[Scope::Read, Scope::Write]),
        label: label.to_owned(),
        created: Timestamp(5),
    };
    // Hashes that agree in their first half, as an index by a part of them would find.
    let (ours, mut near) = (TokenHash([7; 32]), TokenHash([7; 32]));
    near.0[31] = 8;
    let token = registry.add_token(&ours, &new(1, "gateway")).expect("adds");
    let other = registry.add_token(&near, &new(2, "")).expect("adds");
    assert!(other.id > token.id);
    assert_eq!(registry.tokens(Which::Hash(&ours)).expect("finds"), std::slice::from_ref(&token));
    assert_eq!(registry.tokens(Which::Hash(&TokenHash([6; 32]))).expect("finds"), []);
    assert_eq!(registry.tokens(Which::Of(TenantId(2))).expect("lists"), std::slice::from_ref(&other));
    assert!(registry.add_token(&ours, &new(1, "again")).is_err());
    assert!(matches!(registry.add_token(&TokenHash([1; 32]), &new(9, "")), Err(Error::NoSuchTenant(TenantId(9)))));
    for bad in ["two\nlines", &"l".repeat(LABEL_BYTES_MAX + 1)] {
        assert!(matches!(registry.add_token(&TokenHash([2; 32]), &new(1, bad)), Err(Error::Label(_))));
    }
    let nothing = NewToken { scopes: Scopes::default(), ..new(1, "") };
    assert!(matches!(registry.add_token(&TokenHash([3; 32]), &nothing), Err(Error::NoScope)));

    let revoked = registry.revoke_token(token.id, Timestamp(8)).expect("revokes");
    assert_eq!(revoked.revoked, Some(Timestamp(8)));
    assert_eq!(registry.revoke_token(token.id, Timestamp(9)).expect("again"), revoked);
    assert!(matches!(registry.revoke_token(TokenId(99), Timestamp(9)), Err(Error::NoSuchToken(TokenId(99)))));
    drop(registry);
    assert_eq!(open().tokens(Which::All).expect("lists"), [revoked, other]);
}

fn blocks_are_leased_once(open: &mut dyn FnMut() -> Box<dyn Registry>) {
    let registry = open();
    assert_eq!(registry.lease_blocks(1).expect("leases"), 1..2);
    assert_eq!(registry.lease_blocks(LEASE_BLOCKS_MAX).expect("leases"), 2..2 + i64::from(LEASE_BLOCKS_MAX));
    for bad in [0, LEASE_BLOCKS_MAX + 1] {
        assert!(matches!(registry.lease_blocks(bad), Err(Error::LeaseSize(size)) if size == bad));
    }
    drop(registry);
    let start = open().lease_blocks(3).expect("leases").start;
    assert_eq!(start, 2 + i64::from(LEASE_BLOCKS_MAX));
}

fn a_version_of_a_profile_never_changes(open: &mut dyn FnMut() -> Box<dyn Registry>) {
    let registry = open();
    let new = |tenant, name: &'static str, toml: &'static str| NewProfile {
        tenant: TenantId(tenant),
        name,
        toml,
        added: Timestamp(5),
        by: None,
    };
    let first = registry.add_profile(&new(1, "acme", "a = 1")).expect("adds");
    assert_eq!((first.version, first.toml.as_str(), first.added), (1, "a = 1", Timestamp(5)));
    assert_eq!(registry.add_profile(&new(1, "acme", "a = 1")).expect("the same"), first);
    let second = registry.add_profile(&new(1, "acme", "a = 2")).expect("adds");
    let third = registry.add_profile(&new(1, "acme", "a = 1")).expect("adds: the newest says something else");
    assert_eq!((second.version, third.version, third.sha256), (2, 3, first.sha256));
    let theirs = registry.add_profile(&new(2, "acme", "b = 1")).expect("adds");
    assert_eq!(theirs.version, 1);
    assert!(matches!(registry.add_profile(&new(9, "acme", "")), Err(Error::NoSuchTenant(TenantId(9)))));
    let long: &'static str = Box::leak("#".repeat(PROFILES_BYTES_MAX).into_boxed_str());
    assert!(matches!(registry.add_profile(&new(1, "long", long)), Err(Error::ProfilesFull)));
    drop(registry);
    let registry = open();
    let found = |tenant, name: &str, version| registry.profile(TenantId(tenant), name, version).expect("looks");
    assert_eq!(found(1, "acme", None), Some(third.clone()));
    assert_eq!(found(1, "acme", Some(1)), Some(first.clone()));
    assert_eq!(found(2, "acme", None), Some(theirs));
    assert_eq!((found(1, "acme", Some(4)), found(1, "none", None), found(2, "acme", Some(2))), (None, None, None));
    assert_eq!(registry.profiles(TenantId(1)).expect("lists"), [first, second, third]);
}
