//! Which user the server is, and what it may do: given away before anything is opened.
//!
//! On Linux each thread has credentials of its own, which the threads that it starts inherit (credentials(7)), so
//! [`take`] has to be called while there is one thread.

use std::{fs, io};

use rustix::thread::{
    CapabilitySet, CapabilitySets, Gid, Uid, capabilities, set_capabilities, set_keep_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::problem::{Place, Problem};

/// Where names of users are looked up. A static binary cannot ask anything else (nsswitch.conf(5)).
const PASSWD: &str = "/etc/passwd";

/// A user and its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct UserAccount {
    uid: u32,
    gid: u32,
}

/// Takes from the process what a name server has no use for: that programs which it starts could have more rights than
/// itself (PR_SET_NO_NEW_PRIVS; it starts none), and, if there is a `user`, all that this user may not do.
pub fn take(user: Option<&str>) -> Result<(), Problem> {
    set_no_new_privs(true)
        .map_err(|error| Problem::error(Place::whole("vpcedns"), format!("cannot give up privileges: {error}"), ""))?;
    user.map_or(Ok(()), drop_to)
}

/// Makes the process that of `user` (a name of /etc/passwd, `UID` or `UID:GID`), without other groups. Of its
/// capabilities only that for ports below 1024 stays (CAP_NET_BIND_SERVICE, capabilities(7)), so that listeners can
/// still be opened at a reload.
fn drop_to(user: &str) -> Result<(), Problem> {
    let problem = |what: String, hint: &str| Problem::error(Place::whole("--user"), what, hint);
    let passwd = || fs::read_to_string(PASSWD).unwrap_or_default();
    let account = find(user, passwd).ok_or_else(|| {
        let hint = format!("a name in {PASSWD}, a user id or UID:GID, such as vpcedns or 65534:65534");
        problem(format!("'{user}' is not a known user"), &hint)
    })?;
    if account.uid == 0 {
        return Err(problem(format!("'{user}' is root"), "name a user of its own, or leave --user away"));
    }
    become_account(account).map_err(|error| {
        problem(format!("cannot become '{user}': {error}"), "start as root, or as that user without --user")
    })
}

fn become_account(account: UserAccount) -> io::Result<()> {
    let kept = capabilities(None)?.permitted & CapabilitySet::NET_BIND_SERVICE;
    // a thread that leaves user id 0 would lose all of them
    set_keep_capabilities(true)?;
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })?;
    Ok(())
}

/// The account that a text names. A number without a group has the group of that user in passwd(5), else the same number.
fn find(user: &str, passwd: impl Fn() -> String) -> Option<UserAccount> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number != u32::MAX);
    if let Some((uid, gid)) = user.split_once(':') {
        return Some(UserAccount { uid: number(uid)?, gid: number(gid)? });
    }
    let passwd = passwd();
    let accounts = passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, _, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        Some((name, UserAccount { uid: number(uid)?, gid: number(gid)? }))
    });
    let uid = number(user);
    let mut known = accounts.filter(|(name, account)| *name == user || Some(account.uid) == uid);
    known.next().map(|(_, account)| account).or_else(|| uid.map(|uid| UserAccount { uid, gid: uid }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n# a comment\nbroken:x:1\nvpcedns:x:990:980::/:/usr/sbin/nologin\n";
        let check = |user: &str, expected: Option<(u32, u32)>| {
            let account = find(user, || passwd.to_owned());
            assert_eq!(account.map(|account| (account.uid, account.gid)), expected, "{user:?}");
        };
        check("vpcedns", Some((990, 980)));
        check("990", Some((990, 980)));
        check("65534", Some((65534, 65534)));
        check("65534:7", Some((65534, 7)));
        check("root", Some((0, 0)));
        for unknown in
            ["", "nobody", "broken", "# a comment", "vpcedns:x", "-1", "4294967295", "4294967296", "1:-2", ":"]
        {
            check(unknown, None);
        }
    }

    #[test]
    fn root_and_strangers_are_refused() {
        let what = |user: &str| drop_to(user).unwrap_err().to_string();
        assert!(what("0").contains("'0' is root"), "{}", what("0"));
        assert!(what("no-such-user-here").contains("is not a known user"));
    }
}
