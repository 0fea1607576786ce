//! Master files: the examples of the RFCs, and what is wrong with others.

use std::collections::HashMap;

use crate::dns::Rtype;
use crate::model::{Object, RecordData, show_rdata};
use crate::problem::{Place, Problem};

use super::super::{FileText, FilesBeside, read_toml_with};
use super::problems;

/// Files in memory.
struct Texts(HashMap<&'static str, String>);

impl FilesBeside for Texts {
    fn open(&self, at: &Place, name: &str) -> Result<FileText, Problem> {
        let text = self.0.get(name).ok_or_else(|| Problem::error(at.clone(), format!("no {name}"), ""))?;
        Ok(FileText { path: name.into(), text: text.clone() })
    }
}

/// The records of a zone whose master file is the first of these, and what is wrong with it.
fn read(zone: &str, files: &[(&'static str, &str)]) -> (Vec<String>, String) {
    let toml = format!("[[hosted_zone]]\nname = \"{zone}\"\nvpc_ids = [\"*\"]\nfile = \"{}\"\n", files[0].0);
    let texts = Texts(files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect());
    let loaded = read_toml_with(&"t.toml".into(), &toml, &texts);
    let mut records = Vec::new();
    for input in &loaded.inputs {
        let Object::HostedZone(zone) = &*input.object else { panic!("{input:?}") };
        for record in &zone.records {
            let RecordData::Records { rtype, ttl, rdata } = &record.data else { panic!("{record:?}") };
            let data = rdata.iter().map(|data| show_rdata(*rtype, &data.value)).collect::<Vec<_>>();
            records.push(format!("{} {ttl} {rtype} {}", record.name.value, data.join(" | ")));
        }
    }
    (records, problems(&loaded))
}

fn records(zone: &str, text: &str) -> Vec<String> {
    let (records, problems) = read(zone, &[("f.zone", text)]);
    assert_eq!(problems, "", "{text}");
    records
}

/// A zone with these lines behind an SOA has this problem, and is not read.
fn broken(text: &str, expected: &str) {
    let (records, problems) = read("corp.example", &[("f.zone", text)]);
    assert_eq!(problems, expected, "--- for ---\n{text}");
    assert_eq!(records, [""; 0], "{text}");
}

/// RFC 1035 5.3, with the file that it includes.
#[test]
fn the_example_of_rfc_1035() {
    let isi = "\
@   IN  SOA     VENERA      Action\\.domains (
                                 20     ; SERIAL
                                 7200   ; REFRESH
                                 600    ; RETRY
                                 3600000; EXPIRE
                                 60)    ; MINIMUM

        NS      A.ISI.EDU.
        NS      VENERA
        NS      VAXA
        MX      10      VENERA
        MX      20      VAXA

A       A       26.3.0.103

VENERA  A       10.1.0.52
        A       128.9.0.32

VAXA    A       10.2.0.27
        A       128.9.0.33


$INCLUDE <SUBSYS>ISI-MAILBOXES.TXT
";
    let mailboxes = "
        MOE     MB      A.ISI.EDU.
        LARRY   MB      A.ISI.EDU.
        CURLEY  MB      A.ISI.EDU.
        STOOGES MG      MOE
                MG      LARRY
                MG      CURLEY
"
    .replace("\n        ", "\n");
    let (records, problems) = read("isi.edu", &[("isi.zone", isi), ("<SUBSYS>ISI-MAILBOXES.TXT", &mailboxes)]);
    assert_eq!(problems, "");
    assert_eq!(
        records,
        [
            // "Action\.domains" is one label; the case of names in data is kept
            "isi.edu 60 SOA VENERA.isi.edu. Action\\.domains.isi.edu. 20 7200 600 3600000 60",
            "isi.edu 60 NS A.ISI.EDU. | VENERA.isi.edu. | VAXA.isi.edu.",
            "isi.edu 60 MX 10 VENERA.isi.edu. | 20 VAXA.isi.edu.",
            "a.isi.edu 60 A 26.3.0.103",
            "venera.isi.edu 60 A 10.1.0.52 | 128.9.0.32",
            "vaxa.isi.edu 60 A 10.2.0.27 | 128.9.0.33",
            "moe.isi.edu 60 MB A.ISI.EDU.",
            "larry.isi.edu 60 MB A.ISI.EDU.",
            "curley.isi.edu 60 MB A.ISI.EDU.",
            "stooges.isi.edu 60 MG MOE.isi.edu. | LARRY.isi.edu. | CURLEY.isi.edu.",
        ]
    );
}

/// RFC 2308 4, "TTL directive": omitted values are the default, or the last stated one where there is none.
#[test]
fn times_to_live_are_stated_or_default() {
    let text = "\
a A 10.0.0.1
$TTL 1h30m
b A 10.0.0.2
c 60 A 10.0.0.3
d IN 1D A 10.0.0.4
e 2w IN A 10.0.0.5
f A 10.0.0.6
";
    let ttls: Vec<_> =
        records("corp.example", text).iter().map(|record| record.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(ttls, ["300", "5400", "60", "86400", "1209600", "5400"]);
    // RFC 1035 5.1: the last stated one
    assert_eq!(records("corp.example", "a 60 A 10.0.0.1\nb A 10.0.0.2\n")[1], "b.corp.example 60 A 10.0.0.2");
}

#[test]
fn origins_owners_and_includes() {
    let main = "\
$ORIGIN Corp.Example.
a A 10.0.0.1
$include sub.inc sub
  AAAA fd00::1
$INCLUDE sub.inc
$ORIGIN lab
@ TXT x
b CNAME @
*.c A 10.0.0.2
d\\.e\\032f A 10.0.0.3
";
    let (records, problems) = read("corp.example", &[("f.zone", main), ("sub.inc", "$ORIGIN deep\nh A 10.0.1.1\n")]);
    assert_eq!(problems, "");
    assert_eq!(
        records,
        [
            "a.corp.example 300 A 10.0.0.1",
            "h.deep.sub.corp.example 300 A 10.0.1.1",
            // origin and owner are those of before the $INCLUDE
            "a.corp.example 300 AAAA fd00::1",
            "h.deep.corp.example 300 A 10.0.1.1",
            "lab.corp.example 300 TXT \"x\"",
            "b.lab.corp.example 300 CNAME lab.Corp.Example.",
            "*.c.lab.corp.example 300 A 10.0.0.2",
            "d\\.e\\032f.lab.corp.example 300 A 10.0.0.3",
        ]
    );
}

/// Every type that Route 53 has, as its guide writes them ("Supported DNS record types"), and others.
#[test]
fn types_and_their_data() {
    for (line, want) in [
        ("A 192.0.2.1", "A 192.0.2.1"),
        ("AAAA 2001:db8:85a3::8a2e:370:7334", "AAAA 2001:db8:85a3::8a2e:370:7334"),
        ("CAA 0 issue \"ca.example.net; policy=ev\"", "CAA 0 issue \"ca.example.net; policy=ev\""),
        ("CNAME Host", "CNAME Host.corp.example."),
        ("DNAME Target.example.", "DNAME Target.example."),
        ("DS 123 4 5 1234567890abcdef 1234567890ABCDEF", "DS 123 4 5 1234567890ABCDEF1234567890ABCDEF"),
        (
            "DS 60485 RSASHA1 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
            "DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
        ),
        (
            "HTTPS 1 . port=8443 alpn=h2,h3 ipv4hint=192.0.2.1,192.0.2.2",
            "HTTPS 1 . alpn=\"h2,h3\" port=8443 ipv4hint=192.0.2.1,192.0.2.2",
        ),
        ("MX 10 mailserver.example.com.", "MX 10 mailserver.example.com."),
        (
            "NAPTR 100 50 \"u\" \"E2U+sip\" \"!^(\\\\+441632960083)$!sip:\\\\1@example.com!\" .",
            "NAPTR 100 50 \"u\" \"E2U+sip\" \"!^(\\\\+441632960083)$!sip:\\\\1@example.com!\" .",
        ),
        ("NAPTR 1 2 S http/1.1 \"\" _http._tcp", "NAPTR 1 2 \"S\" \"http/1.1\" \"\" _http._tcp.corp.example."),
        ("PTR hostname.example.com.", "PTR hostname.example.com."),
        ("SPF \"v=spf1 ip4:192.168.0.1/16 -all\"", "SPF \"v=spf1 ip4:192.168.0.1/16 -all\""),
        ("SRV 10 5 80 hostname.example.com.", "SRV 10 5 80 hostname.example.com."),
        ("SSHFP 1 1 09F6A01D2175742B257C6B98B7C72C44C4040683", "SSHFP 1 1 09F6A01D2175742B257C6B98B7C72C44C4040683"),
        (
            "SVCB 1 svc4.example.com. mandatory=alpn alpn=bar port=8004 dohpath=/dns-query{?dns}",
            "SVCB 1 svc4.example.com. mandatory=alpn alpn=\"bar\" port=8004 key7=\"/dns-query{?dns}\"",
        ),
        ("SVCB 0 svc", "SVCB 0 svc.corp.example."),
        // RFC 9460 D.2, Figure 9
        // RFC 9540 4: a key that not every reader knows by its name
        ("HTTPS 1 . mandatory=ohttp ohttp", "HTTPS 1 . mandatory=key8 key8"),
        (
            "SVCB 16 foo.example.org. (alpn=h2,h3-19 mandatory=ipv4hint,alpn\n ipv4hint=192.0.2.1)",
            "SVCB 16 foo.example.org. mandatory=alpn,ipv4hint alpn=\"h2,h3-19\" ipv4hint=192.0.2.1",
        ),
        // RFC 9460 D.2, Figure 10
        (
            "SVCB 16 foo.example.org. alpn=\"f\\\\\\\\oo\\\\,bar,h2\"",
            "SVCB 16 foo.example.org. alpn=\"f\\\\\\\\oo\\\\,bar,h2\"",
        ),
        // RFC 9460 D.2, Figures 5 and 6
        ("SVCB 1 foo.example.com. key667=\"hello\\210qoo\"", "SVCB 1 foo.example.com. key667=\"hello\\210qoo\""),
        ("SVCB 1 foo.example.com. key667=hello", "SVCB 1 foo.example.com. key667=\"hello\""),
        ("TLSA 3 0 0 30820307308201efa003020102020123", "TLSA 3 0 0 30820307308201EFA003020102020123"),
        ("TXT \"Sample \\065 \\\"text\\\"\" tail", "TXT \"Sample A \\\"text\\\"\" \"tail\""),
        ("TXT \"exclamation \\033 \\195\\164 ä\"", "TXT \"exclamation ! \\195\\164 \\195\\164\""),
        ("TYPE731 \\# 6 abcd ( ef 01 23 45 )", "TYPE731 \\# 6 ABCDEF012345"),
        ("A \\# 4 0A000001", "A 10.0.0.1"),
        ("TYPE1 10.0.0.1", "A 10.0.0.1"),
        ("HINFO DEC-2060 TOPS20", "HINFO \"DEC-2060\" \"TOPS20\""),
        ("RP admin txt.example.", "RP admin.corp.example. txt.example."),
        ("URI 10 1 \"ftp://ftp1.example.com/public\"", "URI 10 1 \"ftp://ftp1.example.com/public\""),
        ("DNSKEY 256 3 RSASHA256 AQPSKmyn fzW4kyBv", "DNSKEY 256 3 8 AQPSKmynfzW4kyBv"),
        ("EUI48 00-00-5e-00-53-2a", "EUI48 00-00-5e-00-53-2a"),
        ("OPENPGPKEY AQPSKmyn", "OPENPGPKEY AQPSKmyn"),
    ] {
        let got = records("corp.example", &format!("a {line}\n"));
        assert_eq!(got, [format!("a.corp.example 300 {want}")], "{line}");
        // what is shown is read back as the same
        assert_eq!(records("corp.example", &format!("a {want}\n")), got, "{want}");
    }
}

#[test]
fn equal_records_are_one() {
    let text = "a NS Ns1\na NS ns2\na NS ns1\nb TXT x\nb TXT X\nb TXT x\n";
    assert_eq!(
        records("corp.example", text),
        ["a.corp.example 300 NS Ns1.corp.example. | ns2.corp.example.", "b.corp.example 300 TXT \"x\" | \"X\""]
    );
}

#[test]
fn broken_master_files() {
    let soa = "is not a record type\n  hint: an owner, a TTL and IN, each optional, are followed by a type such as A, AAAA, CNAME, TXT, SRV or MX";
    broken("a AX 10.0.0.1", &format!("f.zone:1:3: error: 'AX' {soa}"));
    broken(
        "\na A 10.0.0.300",
        "f.zone:2:5: error: '10.0.0.300' is not valid A record data: not an IPv4 address\n  hint: an IPv4 address, such as 10.0.9.9",
    );
    broken(
        "a A",
        "f.zone:1:1: error: '' is not valid A record data: an IPv4 address is missing\n  hint: an IPv4 address, such as 10.0.9.9",
    );
    broken(
        "a MX mail",
        "f.zone:1:6: error: 'mail' is not valid MX record data: not a number from 0 to 65535\n  hint: a preference and a domain name, such as 10 mail.corp.example",
    );
    broken(
        "a A 10.0.0.1 10.0.0.2",
        "f.zone:1:5: error: '10.0.0.1 10.0.0.2' is not valid A record data: '10.0.0.2' is one too many\n  hint: an IPv4 address, such as 10.0.9.9",
    );
    broken(
        "a 60",
        "f.zone:1:1: error: a record without a type\n  hint: an owner is followed by a type and its data, such as db A 10.0.9.9",
    );
    broken("a CH A 10.0.0.1", "f.zone:1:3: error: the class CH is not served\n  hint: hosted zones are of class IN");
    broken("a 1y A 10.0.0.1", "f.zone:1:3: error: '1y' is not a time to live\n  hint: such as 3600, 1h or 1h30m");
    broken(
        "a 2147483648 A 10.0.0.1",
        "f.zone:1:3: error: 2147483648 is out of range\n  hint: a TTL is from 0 to 2147483647 (RFC 2181 8)",
    );
    broken(
        "  A 10.0.0.1",
        "f.zone:1:3: error: a record without an owner: there is none before it whose owner it could have\n  hint: begin the line with a name, or @ for the origin",
    );
    broken(
        "a..b A 10.0.0.1\n  A 10.0.0.2",
        "f.zone:1:1: error: 'a..b' is not a domain name: the name has an empty label",
    );
    broken(
        "münchen A 10.0.0.1",
        "f.zone:1:1: error: 'münchen' is not a domain name: the character 'ü' cannot stand in a name\n  hint: write an internationalised name by its A-labels: xn--mnchen-3ya",
    );
    broken(
        "a CNAME münchen",
        "f.zone:1:9: error: 'münchen' is not valid CNAME record data: not a domain name: the character 'ü' cannot stand in a name: its A-labels are xn--mnchen-3ya\n  hint: a domain name, such as db.corp.example",
    );
    broken(
        "a TXT \"x\nb A 10.0.0.1",
        "f.zone:1:7: error: a quotation mark that nothing closes\n  hint: close it on its line; \\010 is a line break, and \\\" a quotation mark",
    );
    broken(
        "a TXT ( x\nb A 10.0.0.1",
        "f.zone:1:7: error: a '(' that nothing closes\n  hint: add the ')' behind the record's last word",
    );
    broken("a TXT x )", "f.zone:1:9: error: a ')' without a '('\n  hint: write \\) where it is meant");
    broken("$TTL", "f.zone:1:1: error: $TTL takes a number of seconds, or a time such as 1h30m");
    broken("$ORIGEN x.", "f.zone:1:1: error: unknown directive '$ORIGEN'\n  hint: did you mean $ORIGIN?");
    broken(
        "$GENERATE 1-9 h$ A 10.0.0.$",
        "f.zone:1:1: error: $GENERATE is not supported\n  hint: write the records that it stands for",
    );
    broken("$INCLUDE no.inc", "f.zone:1:10: error: no no.inc");
    broken(
        "a TYPE65400 x",
        "f.zone:1:13: error: records of type TYPE65400 cannot be written here\n  hint: write its data as \\#, length and hexadecimal digits (RFC 3597 5)",
    );
    broken(
        "a CNAME b\na CNAME c",
        "f.zone:2:1: error: a CNAME has one value (RFC 2181 10.1)\n  hint: keep one of them; the first is at f.zone:1:1",
    );
    broken(
        "a CNAME b\na A 10.0.0.1",
        "f.zone:2:1: error: a.corp.example has a CNAME and other data\n  hint: a CNAME stands alone (RFC 1034 3.6.2); the other record is at f.zone:1:1",
    );
    broken(
        "@ CNAME b",
        "f.zone:1:1: error: the apex of corp.example cannot have a CNAME record of its own\n  hint: a zone has SOA and NS at its apex; use an alias or addresses there",
    );
    broken(
        "www SOA a. b. 1 2 3 4 5",
        "f.zone:1:1: error: the SOA record is that of www.corp.example, and the zone is corp.example\n  hint: the zone's name is the [[hosted_zone]]'s; a master file has the SOA of its apex only",
    );
    broken(
        "@ SOA a. b. 1 2 3 4 5\n@ SOA a. b. 2 2 3 4 5",
        "f.zone:2:1: error: a zone has one SOA record (RFC 1035 5.2)\n  hint: keep one of them; the first is at f.zone:1:1",
    );
}

#[test]
fn broken_redirections() {
    broken(
        "a DNAME b.example.\na DNAME c.example.",
        "f.zone:2:1: error: a name has one DNAME (RFC 6672 2.4)\n  hint: keep one of them; the first is at f.zone:1:1",
    );
    broken(
        "x.y.a A 10.0.0.1\na DNAME b.example.",
        "f.zone:1:1: error: x.y.a.corp.example is below a.corp.example, which has a DNAME (RFC 6672 2.4)\n  hint: leave it out, or the DNAME at f.zone:2:1: every name below one leads elsewhere",
    );
    broken(
        "a NS ns.example.\na DNAME b.example.",
        "f.zone:1:1: error: a.corp.example has NS and DNAME records (RFC 6672 2.3)\n  hint: delegate what is below the name, or redirect it",
    );
    broken(
        "*.a DNAME b.example.",
        "f.zone:1:1: error: *.a.corp.example is a wildcard and cannot have a DNAME\n  hint: name the owner: what a wildcard's DNAME means is not defined (RFC 4592 4.4)",
    );
    broken(
        "a CNAME b\na DNAME b.example.",
        "f.zone:2:1: error: a.corp.example has a CNAME and other data\n  hint: a CNAME stands alone (RFC 1034 3.6.2); the other record is at f.zone:1:1",
    );
}

#[test]
fn broken_service_parameters() {
    for (line, why) in [
        ("HTTPS 1 . alpn=h2 alpn=h3", "alpn is given twice"),
        ("HTTPS 1 . no-default-alpn", "no-default-alpn requires alpn (RFC 9460 7.1.1)"),
        ("HTTPS 1 . mandatory=port", "port is mandatory and missing (RFC 9460 8)"),
        ("HTTPS 1 . port=x", "port is not a port"),
        ("HTTPS 1 . prot=1", "'prot' is not a key, such as alpn, port or key65280"),
        ("HTTPS 1 . ipv4hint=::1", "ipv4hint: '::1' is not an IPv4 address"),
    ] {
        let (_, problems) = read("corp.example", &[("f.zone", &format!("@ {line}"))]);
        assert!(problems.contains(&format!("HTTPS record data: {why}\n")), "{line}: {problems}");
    }
}

#[test]
fn includes_are_bounded() {
    let (_, problems) = read("corp.example", &[("a.zone", "$INCLUDE b.zone"), ("b.zone", "\n$INCLUDE a.zone")]);
    assert_eq!(problems, "b.zone:2:10: error: 'a.zone' includes itself\n  hint: leave one $INCLUDE of the circle out");
    let names: Vec<&'static str> = (0..12).map(|n| &*format!("{n}.zone").leak()).collect();
    let files: Vec<(&'static str, String)> =
        names.iter().zip(1..).map(|(name, next)| (*name, format!("$INCLUDE {next}.zone"))).collect();
    let files: Vec<(&'static str, &str)> = files.iter().map(|(name, text)| (*name, &**text)).collect();
    let (_, problems) = read("corp.example", &files);
    assert!(problems.starts_with("9.zone:1:10: error: more than 10 files include one another"), "{problems}");
    let (_, problems) = read("corp.example", &[("f.zone", &"$INCLUDE g\n".repeat(1100)), ("g", "")]);
    assert!(problems.starts_with("f.zone:1000:10: error: more than"), "{problems}");
}

#[test]
fn no_more_than_twenty_errors_are_told() {
    let (_, problems) = read("corp.example", &[("f.zone", &"x\n".repeat(1000))]);
    assert_eq!(problems.matches("error:").count(), 20);
    assert!(problems.contains("f.zone:20:1: warning: the rest of the zone is not read after 20 errors"), "{problems}");
}

#[test]
fn what_others_leave_out_is_left_out_with_a_warning() {
    let text =
        "a A 10.0.0.1\nb.example. A 10.0.0.2\nc.example. A 10.0.0.3\na RRSIG A 5 3 1 2 3 4 x. y\na 60 A 10.0.0.4\n";
    let (records, problems) = read("corp.example", &[("f.zone", text)]);
    assert_eq!(records, ["a.corp.example 60 A 10.0.0.1 | 10.0.0.4"]);
    assert_eq!(
        problems,
        "f.zone:2:1: warning: b.example is outside the zone corp.example: it is left out, with 1 more\n  \
         hint: a name without a final dot is within the origin\n\
         f.zone:4:1: warning: RRSIG records of a signed zone are not served: it is left out\n  \
         hint: give the zone unsigned, as private hosted zones are\n\
         f.zone:5:1: warning: a.corp.example A has the TTLs 300 and 60: the least one is served\n  \
         hint: give the records of one type one TTL (RFC 2181 5.2)"
    );
}

#[test]
fn records_of_file_and_table_are_one_zone() {
    let toml = "[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"*\"]\nfile = \"f.zone\"\n\
                records = [{ name = \"b\", type = \"A\", values = [\"10.0.0.2\"] }, { name = \"a\", type = \"A\", values = [\"10.0.0.3\"] }]\n";
    let texts = Texts(HashMap::from([("f.zone", "a A 10.0.0.1\n".to_owned())]));
    let loaded = read_toml_with(&"t.toml".into(), toml, &texts);
    assert_eq!(
        problems(&loaded),
        "t.toml:5:63: error: a.corp.example A is given twice\n  hint: the first is at f.zone:1:1: put all values into one record"
    );
    let alone = super::load_toml("[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"*\"]\nfile = \"f.zone\"\n");
    assert_eq!(
        problems(&alone),
        "t.toml:4:8: error: 'f.zone' cannot be read: this text is no file, and has none beside it\n  hint: write the records into it"
    );
}

/// What hosts of Route 53 have at most of is not read as one: types that only messages have.
#[test]
fn types_of_messages_are_refused() {
    for rtype in [Rtype::NONE, Rtype::OPT, Rtype::TSIG, Rtype::AXFR, Rtype::ANY] {
        let (_, problems) = read("corp.example", &[("f.zone", &format!("a {rtype} \\# 0"))]);
        assert!(problems.contains("error"), "{rtype}");
    }
}
