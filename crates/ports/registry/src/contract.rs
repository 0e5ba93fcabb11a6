//! What every adapter of [`Registry`] passes.

use meter::{TenantId, Timestamp};

use crate::{
    Error, HOME, LABEL_BYTES_MAX, LEASE_BLOCKS_MAX, NewToken, Registry, Scope, Scopes, TokenHash, TokenId, Which,
};

/// Panics where the contract is broken. `open` opens the same registry, new at
/// the first call, each time after the previous one was dropped.
pub fn check(open: &mut dyn FnMut() -> Box<dyn Registry>) {
    tenants_are_numbered_once(open);
    tokens_are_kept_by_hash(open);
    blocks_are_leased_once(open);
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
