//! Route 53's protocol, REST-XML: a call is a method, a path and a document, and becomes the form that every action takes.
//!
//! Route 53 API Reference, version 2013-04-01. What stands in the path and in the document are parameters of one name each
//! (`Id`, `ChangeBatch.Changes.1.Action`); lists are elements of elements with one name.

use axum::http::Method;
use axum::http::request::Parts;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::error::ApiError;
use super::params::is_xml;
use super::routes::{self, Route};
use super::xml::referenced;

/// What the paths begin with.
const VERSION: &str = "/2013-04-01/";
/// Elements in one another; the deepest call has 7.
const DEPTH: usize = 16;
/// Octets of an element's name; the longest of a call has 17.
const NAME: usize = 64;
/// Octets of all parameters, names included: a call has at most 1,000 changes or 32,000 octets of values, and its names are
/// shorter than the tags that they stand for, but for what is around a list.
const ALL: usize = 8 << 20;
/// Most characters of parameters, by the last part of their names (the API's model, `max`).
const LENGTHS: [(&str, usize); 12] = [
    ("CallerReference", 128),
    ("Comment", 256),
    ("DelegationSetId", 32),
    ("delegationsetid", 32),
    ("dnsname", 1024),
    ("hostedzoneid", 32),
    ("identifier", 128),
    ("marker", 64),
    ("name", 1024),
    ("nexttoken", 1024),
    ("vpcid", 1024),
    ("vpcregion", 64),
];
/// Elements whose members come several times, in the order of their numbers.
const LISTS: [&str; 6] = ["AddTags", "ChangeGuardrails", "Changes", "RemoveTagKeys", "ResourceIds", "ResourceRecords"];

/// Paths behind the version.
const ROUTES: [Route; 22] = [
    (Method::POST, "hostedzone", "CreateHostedZone", &[]),
    (Method::GET, "hostedzone", "ListHostedZones", &[]),
    (Method::GET, "hostedzonesbyname", "ListHostedZonesByName", &[]),
    (Method::GET, "hostedzonesbyvpc", "ListHostedZonesByVPC", &[]),
    (Method::GET, "hostedzonecount", "GetHostedZoneCount", &[]),
    (Method::GET, "hostedzone/*", "GetHostedZone", &["Id"]),
    (Method::POST, "hostedzone/*", "UpdateHostedZoneComment", &["Id"]),
    (Method::DELETE, "hostedzone/*", "DeleteHostedZone", &["Id"]),
    (Method::POST, "hostedzone/*/associatevpc", "AssociateVPCWithHostedZone", &["Id"]),
    (Method::POST, "hostedzone/*/disassociatevpc", "DisassociateVPCFromHostedZone", &["Id"]),
    (Method::POST, "hostedzone/*/authorizevpcassociation", "CreateVPCAssociationAuthorization", &["Id"]),
    (Method::GET, "hostedzone/*/authorizevpcassociation", "ListVPCAssociationAuthorizations", &["Id"]),
    (Method::POST, "hostedzone/*/deauthorizevpcassociation", "DeleteVPCAssociationAuthorization", &["Id"]),
    (Method::POST, "hostedzone/*/rrset", "ChangeResourceRecordSets", &["Id"]),
    (Method::GET, "hostedzone/*/rrset", "ListResourceRecordSets", &["Id"]),
    (Method::GET, "hostedzone/*/dnssec", "GetDNSSEC", &["Id"]),
    (Method::POST, "hostedzone/*/features", "UpdateHostedZoneFeatures", &["Id"]),
    (Method::GET, "change/*", "GetChange", &["Id"]),
    (Method::GET, "testdnsanswer", "TestDNSAnswer", &[]),
    (Method::GET, "tags/*/*", "ListTagsForResource", &["ResourceType", "Id"]),
    (Method::POST, "tags/*/*", "ChangeTagsForResource", &["ResourceType", "Id"]),
    (Method::POST, "tags/*", "ListTagsForResources", &["ResourceType"]),
];

/// Whether a request is in this protocol.
pub(super) fn is_rest(head: &Parts) -> bool {
    head.uri.path().starts_with(VERSION)
}

/// The form of a call, its action first.
pub fn form_of(head: &Parts, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut pairs = route(&head.method, head.uri.path())?;
    for (name, value) in form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()) {
        if !name.starts_with("X-Amz-") {
            pairs.push((name.into_owned(), value.into_owned()));
        }
    }
    if !body.iter().all(u8::is_ascii_whitespace) {
        let text = std::str::from_utf8(body).map_err(|_| malformed("The document is not UTF-8."))?;
        // the reader lets them pass, and an error that repeats one would be no XML either
        if !text.chars().all(is_xml) {
            return Err(malformed("It has a character that XML has not."));
        }
        document(text, &mut pairs)?;
    }
    for (name, value) in &mut pairs {
        check_length(name, value)?;
        // EC2's is another one: it ends in an error
        if name == "DryRun" {
            "dryrun".clone_into(name);
        }
    }
    Ok(form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes())
}

fn check_length(name: &str, value: &str) -> Result<(), ApiError> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let Some((_, most)) = LENGTHS.iter().find(|(known, most)| *known == last && value.chars().count() > *most) else {
        return Ok(());
    };
    let text = format!("failed to satisfy constraint: Member must have length less than or equal to {most}");
    Err(ApiError::new("InvalidInput", format!("1 validation error detected: Value at '{name}' {text}")))
}

fn malformed(why: &str) -> ApiError {
    ApiError::new("InvalidInput", format!("Invalid XML ; {why}"))
}

fn route(method: &Method, path: &str) -> Result<Vec<(String, String)>, ApiError> {
    let path = path.strip_prefix(VERSION).unwrap_or_default().trim_end_matches('/');
    let (action, parameters) = routes::find(&ROUTES, method, path).ok_or_else(|| ApiError {
        status: 404,
        code: "UnknownOperationException".into(),
        message: format!("{method} {VERSION}{path} is no call of Route 53 that this server has."),
    })?;
    let action = ("Action".to_owned(), action.to_owned());
    Ok(std::iter::once(action).chain(parameters.into_iter().map(|(name, value)| (name.to_owned(), value))).collect())
}

/// An element that is open: its parameter's name, what was read of it, and how many elements it has had.
struct OpenElement {
    name: String,
    is_list: bool,
    text: String,
    children: usize,
}

/// Adds the leaves of a document.
fn document(text: &str, pairs: &mut Vec<(String, String)>) -> Result<(), ApiError> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<OpenElement> = vec![];
    let mut left = ALL;
    loop {
        match reader.read_event().map_err(|error| malformed(&error.to_string()))? {
            Event::Start(start) => {
                if open.len() >= DEPTH {
                    return Err(malformed("It has too many elements in one another."));
                }
                let own = start.local_name().as_ref().to_owned();
                // names are repeated in those of all that is inside
                if own.len() > NAME {
                    return Err(malformed("It has an element with a long name."));
                }
                let is_list = LISTS.contains(&own.as_str());
                // the root is the call itself
                let is_root = open.is_empty();
                let name = match open.last_mut() {
                    None => String::new(),
                    Some(parent) => {
                        parent.children += 1;
                        let own = if parent.is_list { parent.children.to_string() } else { own };
                        if parent.name.is_empty() { own } else { format!("{}.{own}", parent.name) }
                    }
                };
                open.push(OpenElement { name, is_list: is_list && !is_root, text: String::new(), children: 0 });
            }
            Event::Text(part) => add(&mut open, &part),
            Event::CData(part) => add(&mut open, &part),
            Event::GeneralRef(reference) => {
                let text = referenced(&reference).ok_or_else(|| malformed("It has a reference to nothing."))?;
                add(&mut open, &text);
            }
            Event::End(_) => {
                let Some(element) = open.pop() else { return Err(malformed("It ends before it begins.")) };
                if element.children == 0 && !element.is_list && !element.name.is_empty() {
                    let octets = element.name.len() + element.text.len();
                    left = left.checked_sub(octets).ok_or_else(|| malformed("It has too many elements."))?;
                    pairs.push((element.name, element.text));
                }
            }
            Event::Eof if open.is_empty() => return Ok(()),
            Event::Eof => return Err(malformed("It breaks off.")),
            _ => {}
        }
    }
}

/// Adds to what is read of the innermost element.
fn add(open: &mut [OpenElement], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn form(method: &str, path: &str, body: &str) -> Result<String, String> {
        let head = Request::builder().method(method).uri(path).body(()).unwrap().into_parts().0;
        let form = form_of(&head, body.as_bytes()).map_err(|error| error.to_string())?;
        let pairs = form_urlencoded::parse(&form).map(|(name, value)| format!("{name}={value}"));
        Ok(pairs.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_call_becomes_a_form() {
        let body = "<?xml version=\"1.0\"?><ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">
            <ChangeBatch><Comment/><Changes><Change><Action>UPSERT</Action><ResourceRecordSet><Name>a&#46;b.</Name><TTL>5</TTL>
            <ResourceRecords><ResourceRecord><Value>&quot;x&quot;</Value></ResourceRecord><ResourceRecord><Value>2</Value></ResourceRecord></ResourceRecords>
            </ResourceRecordSet></Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>";
        assert_eq!(
            form("POST", "/2013-04-01/hostedzone/Z1/rrset/", body).unwrap(),
            "Action=ChangeResourceRecordSets Id=Z1 ChangeBatch.Comment= ChangeBatch.Changes.1.Action=UPSERT \
             ChangeBatch.Changes.1.ResourceRecordSet.Name=a.b. ChangeBatch.Changes.1.ResourceRecordSet.TTL=5 \
             ChangeBatch.Changes.1.ResourceRecordSet.ResourceRecords.1.Value=\"x\" \
             ChangeBatch.Changes.1.ResourceRecordSet.ResourceRecords.2.Value=2"
        );
        let tags = "<ChangeTagsForResourceRequest><AddTags><Tag><Key>a</Key><Value>b</Value></Tag></AddTags><RemoveTagKeys><Key>c</Key></RemoveTagKeys></ChangeTagsForResourceRequest>";
        assert_eq!(
            form("POST", "/2013-04-01/tags/hostedzone/Z1", tags).unwrap(),
            "Action=ChangeTagsForResource ResourceType=hostedzone Id=Z1 AddTags.1.Key=a AddTags.1.Value=b RemoveTagKeys.1=c"
        );
        assert_eq!(
            form("GET", "/2013-04-01/hostedzone?maxitems=2&X-Amz-Date=1", "").unwrap(),
            "Action=ListHostedZones maxitems=2"
        );
    }

    /// A name is repeated in front of all that is inside: without bounds, a document of 1 MiB had a form of gigabytes.
    #[test]
    fn a_form_is_bounded() {
        let outer = |end| (0..14).map(|n| format!("<{end}{}{n:02}>", "n".repeat(60))).collect::<Vec<_>>();
        let (mut opens, mut closes) = (outer(""), outer("/"));
        opens.insert(0, "<R>".into());
        closes.insert(0, "</R>".into());
        closes.reverse();
        let body = format!("{}{}{}", opens.concat(), "<a/>".repeat(250_000), closes.concat());
        assert!(body.len() < 1 << 20);
        let error = form("POST", "/2013-04-01/hostedzone", &body).unwrap_err();
        assert_eq!(error, "InvalidInput: Invalid XML ; It has too many elements.");
        let wide = format!("<R><{0}>{1}</{0}></R>", "n".repeat(500_000), "<a/>".repeat(1000));
        let error = form("POST", "/2013-04-01/hostedzone", &wide).unwrap_err();
        assert_eq!(error, "InvalidInput: Invalid XML ; It has an element with a long name.");
    }

    #[test]
    fn what_is_no_call_is_said() {
        for (method, path, body, error) in [
            ("GET", "/2013-04-01/healthcheck", "", "UnknownOperationException: GET /2013-04-01/healthcheck is no call"),
            ("PUT", "/2013-04-01/hostedzone", "", "UnknownOperationException"),
            ("POST", "/2013-04-01/hostedzone", "<a><b>", "InvalidInput: Invalid XML ; It breaks off."),
            ("POST", "/2013-04-01/hostedzone", "<a></b>", "InvalidInput: Invalid XML ;"),
            (
                "POST",
                "/2013-04-01/hostedzone",
                "<a>&nobody;</a>",
                "InvalidInput: Invalid XML ; It has a reference to nothing.",
            ),
            (
                "POST",
                "/2013-04-01/hostedzone",
                "<a></\0>",
                "InvalidInput: Invalid XML ; It has a character that XML has not.",
            ),
            ("POST", "/2013-04-01/hostedzone", "no XML", "Action=CreateHostedZone"),
            (
                "POST",
                "/2013-04-01/hostedzone",
                &"<a>".repeat(20),
                "InvalidInput: Invalid XML ; It has too many elements",
            ),
            (
                "POST",
                "/2013-04-01/hostedzone",
                &format!("<a><{0}/></a>", "b".repeat(65)),
                "InvalidInput: Invalid XML ; It has an element with a long name.",
            ),
        ] {
            let (Ok(found) | Err(found)) = form(method, path, body);
            assert!(found.starts_with(error), "{method} {path} {body}: {found}");
        }
    }
}
