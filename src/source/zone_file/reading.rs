//! From words to records: owners, origins, times to live, and files that include others.

use crate::dns::{DnsName, MAX_TTL, NameError, Rtype, a_labels, parse_name};
use crate::model::{RdataError, Word, parse_period, read_rdata};
use crate::problem::{At, Fault, FileName, Place, nearest};

use super::super::FileText;
use super::super::lines::Lines;
use super::super::reader::Reader;
use super::super::record_sets::{DEFAULT_TTL, hint_for};
use super::super::scan::MAX_FILE_BYTES;
use super::entries::{ZoneEntries, ZoneEntry};

/// How many files may include one another.
const MAX_DEPTH: usize = 10;
/// How many files a zone may be read from.
const MAX_FILES: usize = 1000;
/// After so many errors the rest of a zone is not looked at: it may be no master file at all.
const MAX_ERRORS: usize = 20;

const DIRECTIVES: [&str; 4] = ["$ORIGIN", "$TTL", "$INCLUDE", "$GENERATE"];

/// A record of a master file.
pub(super) struct ZoneRecord {
    /// Its owner, at or below the zone's apex.
    pub(super) name: At<DnsName>,
    pub(super) rtype: Rtype,
    pub(super) ttl: u32,
    pub(super) rdata: Box<[u8]>,
}

/// The records of the file that is called `name` at `at`, and of those that it includes.
pub(super) fn records(reader: &mut Reader<'_>, at: &Place, name: &str, zone: &DnsName) -> Vec<ZoneRecord> {
    let errors = reader.errors();
    let mut reading = ZoneReading {
        reader,
        zone,
        records: Vec::new(),
        paths: Vec::new(),
        opened: 0,
        octets: 0,
        errors_before: errors,
        default_ttl: None,
        last_ttl: None,
        soa_minimum: None,
        outside: None,
        signed: None,
    };
    reading.file(at, name, zone.wire());
    reading.tell_what_is_left_out();
    reading.records
}

/// A zone that is being read.
struct ZoneReading<'r, 't> {
    reader: &'r mut Reader<'t>,
    zone: &'r DnsName,
    records: Vec<ZoneRecord>,
    /// The files that are open, each included by the one before it.
    paths: Vec<FileName>,
    opened: usize,
    octets: u64,
    errors_before: usize,
    /// `$TTL` (RFC 2308 4).
    default_ttl: Option<u32>,
    /// "Omitted class and TTL values are default to the last explicitly stated values" (RFC 1035 5.1).
    last_ttl: Option<u32>,
    soa_minimum: Option<u32>,
    /// The first record outside of the zone, and how many there are.
    outside: Option<(At<DnsName>, usize)>,
    /// The same of signatures and proofs.
    signed: Option<(At<Rtype>, usize)>,
}

/// What holds in one file.
struct Context<'l> {
    lines: &'l Lines<'l>,
    /// In the case that it is written in, which names in record data keep.
    origin: Vec<u8>,
    /// The owner of the record before; `None` after one that is not valid, too.
    owner: Option<DnsName>,
}

impl ZoneReading<'_, '_> {
    fn file(&mut self, at: &Place, name: &str, origin: &[u8]) {
        if self.paths.len() >= MAX_DEPTH || self.opened >= MAX_FILES {
            let what = format!("more than {MAX_DEPTH} files include one another, or a zone has more than {MAX_FILES}");
            self.reader.error_at(at.clone(), what, "put their records into fewer files");
            return;
        }
        let FileText { path, text } = match self.reader.files().open(at, name) {
            Ok(file) => file,
            Err(problem) => {
                self.reader.error_at(problem.place, problem.what, problem.hint);
                return;
            }
        };
        if self.paths.contains(&path) {
            self.reader.error_at(
                at.clone(),
                format!("'{name}' includes itself"),
                "leave one $INCLUDE of the circle out",
            );
            return;
        }
        self.opened += 1;
        self.octets += text.len() as u64;
        if self.octets > MAX_FILE_BYTES {
            let what = format!("the files of the zone have more than {} MiB together", MAX_FILE_BYTES >> 20);
            self.reader.error_at(at.clone(), what, "cut the zone into several");
            return;
        }
        let lines = Lines::new(path.clone(), &text);
        let mut context = Context { lines: &lines, origin: origin.to_vec(), owner: None };
        self.paths.push(path);
        for entry in ZoneEntries::new(&text) {
            match entry {
                Ok(entry) => self.entry(&mut context, &entry),
                Err(broken) => self.error(&context, broken.at, broken.fault),
            }
            if self.reader.errors() - self.errors_before >= MAX_ERRORS {
                break;
            }
        }
        self.paths.pop();
    }

    fn error(&mut self, context: &Context<'_>, at: usize, fault: Fault) {
        self.reader.error_at(context.place(at), fault.what, fault.hint);
        if self.reader.errors() - self.errors_before == MAX_ERRORS {
            let what = format!("the rest of the zone is not read after {MAX_ERRORS} errors");
            self.reader.warning_at(context.place(at), what, "");
        }
    }

    fn entry(&mut self, context: &mut Context<'_>, entry: &ZoneEntry<'_>) {
        let Some((first, rest)) = entry.words.split_first() else { return };
        let done = if !entry.blank && !first.quoted && first.text.starts_with('$') {
            self.directive(context, first, rest)
        } else {
            self.record(context, entry)
        };
        if let Err((at, fault)) = done {
            self.error(context, at, fault);
        }
    }

    fn directive(&mut self, context: &mut Context<'_>, first: &Word<'_>, rest: &[Word<'_>]) -> Result<(), Wrong> {
        let known = DIRECTIVES.iter().find(|known| known.eq_ignore_ascii_case(first.text));
        let takes = |what: &str| Err(wrong(first, format!("{} takes {what}", first.text), ""));
        match (known.copied(), rest) {
            (Some("$ORIGIN"), [name]) => context.origin = context.wire(name)?,
            (Some("$ORIGIN"), _) => return takes("a domain name"),
            (Some("$TTL"), [ttl]) => self.default_ttl = Some(read_ttl(ttl)?),
            (Some("$TTL"), _) => return takes("a number of seconds, or a time such as 1h30m"),
            (Some("$INCLUDE"), [name] | [name, _]) => {
                let origin = rest.get(1).map_or_else(|| Ok(context.origin.clone()), |origin| context.wire(origin))?;
                // "$INCLUDE ... does not effect the relative origin of the parent file"
                self.file(&context.place(name.at), name.text, &origin);
            }
            (Some("$INCLUDE"), _) => return takes("a file name, and perhaps a domain name"),
            (Some(_), _) => {
                return Err(wrong(first, "$GENERATE is not supported", "write the records that it stands for"));
            }
            (None, _) => {
                let near = nearest(&first.text.to_ascii_uppercase(), DIRECTIVES);
                let hint = near.map_or_else(
                    || "a name that begins with a dollar is written \\$".to_owned(),
                    |near| format!("did you mean {near}?"),
                );
                return Err(wrong(first, format!("unknown directive '{}'", first.text), hint));
            }
        }
        Ok(())
    }

    fn record(&mut self, context: &mut Context<'_>, entry: &ZoneEntry<'_>) -> Result<(), Wrong> {
        let mut words = &entry.words[..];
        let Some(first) = words.first() else { return Ok(()) };
        if !entry.blank {
            context.owner = None;
            let wire = context.wire(first)?;
            context.owner = DnsName::from_wire(&wire);
            words = words.get(1..).unwrap_or_default();
        }
        let Some(owner) = context.owner.clone() else {
            // what follows an owner that is not valid has been said with it
            let said = entry.blank && self.reader.errors() > self.errors_before;
            let what = "a record without an owner: there is none before it whose owner it could have";
            return if said {
                Ok(())
            } else {
                Err(wrong(first, what, "begin the line with a name, or @ for the origin"))
            };
        };
        let (stated_ttl, rtype, data) = ttl_and_type(first, words)?;
        if stated_ttl.is_some() {
            self.last_ttl = stated_ttl;
        }
        let place = context.place(first.at);
        if matches!(rtype.number(), 46 | 47 | 50 | 51) {
            self.signed.get_or_insert((At::new(rtype, place), 0)).1 += 1;
            return Ok(());
        }
        let rdata = read_rdata(rtype, data, &context.origin).map_err(|error| {
            let at = data.first().unwrap_or(first);
            match error {
                RdataError::Type(_) => {
                    wrong(at, error.to_string(), "write its data as \\#, length and hexadecimal digits (RFC 3597 5)")
                }
                RdataError::Data { .. } => wrong(at, error.to_string(), hint_for(rtype)),
            }
        })?;
        if rtype == Rtype::SOA {
            self.soa_minimum = rdata.last_chunk().map(|minimum| u32::from_be_bytes(*minimum).min(MAX_TTL));
        }
        let name = At::new(owner, place);
        if !name.value.is_at_or_below(self.zone) {
            self.outside.get_or_insert((name, 0)).1 += 1;
            return Ok(());
        }
        let ttl = stated_ttl.or(self.default_ttl).or(self.last_ttl).or(self.soa_minimum).unwrap_or(DEFAULT_TTL);
        self.records.push(ZoneRecord { name, rtype, ttl, rdata });
        Ok(())
    }

    /// named, NSD and Knot leave the same out.
    fn tell_what_is_left_out(&mut self) {
        if let Some((first, count)) = self.outside.take() {
            let what = format!("{} is outside the zone {}: {}", first.value, self.zone, left_out(count));
            self.reader.warning_at(first.place, what, "a name without a final dot is within the origin");
        }
        if let Some((first, count)) = self.signed.take() {
            let what = format!("{} records of a signed zone are not served: {}", first.value, left_out(count));
            self.reader.warning_at(first.place, what, "give the zone unsigned, as private hosted zones are");
        }
    }
}

fn left_out(count: usize) -> String {
    if count == 1 { "it is left out".into() } else { format!("it is left out, with {} more", count - 1) }
}

impl Context<'_> {
    fn place(&self, at: usize) -> Place {
        // a text is far shorter (`MAX_FILE_BYTES`)
        self.lines.place(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// The wire form of a name.
    fn wire(&self, word: &Word<'_>) -> Result<Vec<u8>, Wrong> {
        parse_name(word.text, Some(&self.origin)).map_err(|error| {
            let hint = match error {
                NameError::Character(c) if !c.is_ascii() => {
                    a_labels(word.text).map(|ascii| format!("write an internationalised name by its A-labels: {ascii}"))
                }
                _ => None,
            };
            wrong(word, format!("'{}' is not a domain name: {error}", word.text), hint.unwrap_or_default())
        })
    }
}

/// What is wrong at an offset.
type Wrong = (usize, Fault);

fn wrong(word: &Word<'_>, what: impl Into<String>, hint: impl Into<String>) -> Wrong {
    (word.at, Fault::new(what, hint))
}

fn read_ttl(word: &Word<'_>) -> Result<u32, Wrong> {
    let Some(ttl) = parse_period(word.text) else {
        return Err(wrong(word, format!("'{}' is not a time to live", word.text), "such as 3600, 1h or 1h30m"));
    };
    if ttl > MAX_TTL {
        return Err(wrong(
            word,
            format!("{ttl} is out of range"),
            format!("a TTL is from 0 to {MAX_TTL} (RFC 2181 8)"),
        ));
    }
    Ok(ttl)
}

/// TTL and class, both optional and in any order, and the type behind them; the rest is the data.
fn ttl_and_type<'w, 't>(
    first: &Word<'t>,
    words: &'w [Word<'t>],
) -> Result<(Option<u32>, Rtype, &'w [Word<'t>]), Wrong> {
    let (mut ttl, mut has_class, mut rest) = (None, false, words);
    while let Some((word, after)) = rest.split_first() {
        let text = word.text;
        if text.starts_with(|c: char| c.is_ascii_digit()) && ttl.is_none() {
            ttl = Some(read_ttl(word)?);
        } else if is_class(text) && !has_class {
            if !text.eq_ignore_ascii_case("IN") && !text.eq_ignore_ascii_case("CLASS1") {
                return Err(wrong(word, format!("the class {text} is not served"), "hosted zones are of class IN"));
            }
            has_class = true;
        } else {
            let hint =
                "an owner, a TTL and IN, each optional, are followed by a type such as A, AAAA, CNAME, TXT, SRV or MX";
            let rtype = text.parse().map_err(|_| wrong(word, format!("'{text}' is not a record type"), hint))?;
            return Ok((ttl, rtype, after));
        }
        rest = after;
    }
    Err(wrong(first, "a record without a type", "an owner is followed by a type and its data, such as db A 10.0.9.9"))
}

fn is_class(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    matches!(&*upper, "IN" | "CH" | "HS" | "CS")
        || upper.strip_prefix("CLASS").is_some_and(|n| n.parse::<u16>().is_ok())
}
