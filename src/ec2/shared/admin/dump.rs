//! A state as lines of JSON: what it is first, then each object, then each client token.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::ec2::record::StoredObject;
use crate::ec2::soundness::{StateContent, read_sound};
use crate::ec2::state::{ApiState, Delta, Token};
use crate::ec2::store_mark::StoreMark;
use crate::regular;

/// Largest file that is read.
const MAX_BYTES: u64 = 16 << 30;

/// A state outside of any store.
#[derive(Clone, Debug, Default)]
pub struct StateDump {
    /// What it holds.
    pub state: ApiState,
    /// The revision of a shared store that it stands for, if it is out of one.
    pub mark: Option<StoreMark>,
    /// Notifications that it still has to deliver: these are not moved.
    pub deliveries: usize,
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct DumpHead {
    /// The form of the lines below.
    vpcedns_state: u32,
    mark: Option<StoreMark>,
    objects: usize,
    tokens: usize,
}

/// A line of a client token.
#[derive(Serialize, Deserialize)]
struct TokenLine {
    client_token: String,
    #[serde(flatten)]
    token: Token,
}

const FORM: u32 = 1;

impl StateDump {
    pub(super) fn of(state: &ApiState, mark: Option<&StoreMark>) -> Self {
        Self { state: state.clone(), mark: mark.cloned(), deliveries: 0 }
    }

    /// Calls `write` with one line after the other.
    pub fn lines<E>(&self, mut write: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        let tokens = self.state.tokens();
        let (objects, count) = (self.state.count(), tokens.clone().count());
        let head = DumpHead { vpcedns_state: FORM, mark: self.mark.clone(), objects, tokens: count };
        // strings and numbers can always be said in JSON
        write(&serde_json::to_string(&head).unwrap_or_default())?;
        for record in self.state.records() {
            write(&serde_json::to_string(&**record).unwrap_or_default())?;
        }
        for (key, token) in tokens {
            let line = TokenLine { client_token: key.clone(), token: (**token).clone() };
            write(&serde_json::to_string(&line).unwrap_or_default())?;
        }
        Ok(())
    }
}

/// The state in a file: one of these lines, with or without the first (as `vpcedns state export` prints them), or the state
/// file of a server (`ec2.redb`, or a copy). An error says where and what.
pub fn read_dump(path: &Path) -> Result<StateDump, String> {
    let (octets, _) = regular::read(path, MAX_BYTES).map_err(|error| error.to_string())?;
    match octets.iter().find(|octet| !octet.is_ascii_whitespace()) {
        None => Err("is empty".to_owned()),
        Some(b'{') => read_lines(&octets),
        Some(_) => {
            drop(octets);
            let StateContent { records, tokens, mark, deliveries, .. } =
                read_sound(path).map_err(|fault| fault.to_string())?;
            Ok(StateDump { state: state_of(records, tokens)?, mark, deliveries })
        }
    }
}

fn read_lines(octets: &[u8]) -> Result<StateDump, String> {
    let (mut head, mut records, mut tokens) = (None, Vec::new(), Vec::new());
    for (number, line) in (1..).zip(octets.split(|octet| *octet == b'\n')) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let wrong = |error: serde_json::Error| format!("line {number}: {error}");
        if line.starts_with(b"{\"vpcedns_state\"") {
            let first: DumpHead = serde_json::from_slice(line).map_err(wrong)?;
            if first.vpcedns_state != FORM || number > 1 {
                return Err(format!("line {number}: form {} is not known here", first.vpcedns_state));
            }
            head = Some(first);
        } else if line.starts_with(b"{\"client_token\"") {
            let TokenLine { client_token, token } = serde_json::from_slice(line).map_err(wrong)?;
            tokens.push((client_token, token));
        } else {
            records.push(serde_json::from_slice::<StoredObject>(line).map_err(wrong)?);
        }
    }
    if let Some(DumpHead { objects, tokens: count, .. }) = &head
        && (*objects, *count) != (records.len(), tokens.len())
    {
        let has = format!("{} objects and {} client tokens", records.len(), tokens.len());
        return Err(format!("has {has}, and its first line says {objects} and {count}: a part of it is missing"));
    }
    Ok(StateDump { state: state_of(records, tokens)?, mark: head.and_then(|head| head.mark), deliveries: 0 })
}

fn state_of(records: Vec<StoredObject>, tokens: Vec<(String, Token)>) -> Result<ApiState, String> {
    let count = records.len();
    let put = records.into_iter().map(Into::into).collect();
    let tokens = tokens.into_iter().map(|(key, token)| (key, token.into())).collect();
    let mut state = ApiState::default();
    state.apply(&Delta { put, tokens, ..Delta::default() });
    if state.count() == count { Ok(state) } else { Err("has an object twice".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec2::record::{SecurityGroup, Tags};
    use crate::ec2::time::UnixMillis;

    fn some() -> StateDump {
        let group = |id: &str| {
            StoredObject::SecurityGroup(SecurityGroup {
                id: id.to_owned(),
                owner: "000000000000".to_owned(),
                vpc: "vpc-0123456789abcdef0".parse().unwrap(),
                name: "a \"name\"\n".to_owned(),
                description: String::new(),
                rules: None,
                tags: Tags::new(),
            })
        };
        let token = Token { parameters: "a=1".to_owned(), answer: "<x/>".to_owned(), at: UnixMillis(7) };
        let state = state_of(vec![group("sg-1"), group("sg-2")], vec![("1 r a k".to_owned(), token)]).unwrap();
        StateDump { state, mark: None, deliveries: 0 }
    }

    fn text(dump: &StateDump) -> String {
        let mut text = String::new();
        dump.lines(|line| {
            text.push_str(line);
            text.push('\n');
            Ok::<(), ()>(())
        })
        .unwrap();
        text
    }

    #[test]
    fn what_is_written_is_read() {
        let before = text(&some());
        assert_eq!(before.lines().count(), 4);
        let read = read_lines(before.as_bytes()).unwrap();
        assert_eq!(text(&read), before);
        let objects: String = before.lines().skip(1).flat_map(|line| [line, "\n"]).collect();
        assert_eq!(text(&read_lines(objects.as_bytes()).unwrap()), before, "the first line may be missing");
    }

    #[test]
    fn what_is_not_whole_is_told() {
        let before = text(&some());
        let lines: Vec<&str> = before.lines().collect();
        for (bad, said) in [
            (lines[..3].join("\n"), "a part of it is missing"),
            (format!("{}\n{}", lines[1], lines[1]), "has an object twice"),
            (before.replacen("\"vpcedns_state\":1", "\"vpcedns_state\":2", 1), "line 1: form 2 is not known here"),
            (before[..before.len() - 5].to_owned(), "line 4: EOF"),
            (format!("{}\nwhat", lines[1]), "line 2: expected value"),
        ] {
            let error = read_lines(bad.as_bytes()).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
