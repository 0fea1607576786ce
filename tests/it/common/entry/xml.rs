//! XML that others wrote: calls of Route 53, and what EC2 answers when an account is read.

use std::borrow::Cow;

use axum::http::Request;
use vpcedns::ec2::params::Params;
use vpcedns::ec2::rest::form_of;
use vpcedns::ec2::xml::Xml;
use vpcedns::source::{FileText, read_json_set};
use vpcedns::sync::outputs_of;

/// Octets that the form of a call has at most, for those of its request.
const MOST_TIMES: usize = 1024;

/// Any request with Route 53's paths becomes the form of one action, which the API answers, or is refused.
///
/// The octets are the first line of a request, without HTTP's version, an empty line, and the document.
pub(super) fn rest(data: &[u8]) {
    let end = data.windows(2).position(|two| two == b"\n\n");
    let (line, document) = end.map_or((data, &b""[..]), |end| (&data[..end], &data[end + 2..]));
    let line = String::from_utf8_lossy(line);
    let (method, target) = line.split_once(' ').unwrap_or((&line, "/"));
    let Ok(request) = Request::builder().method(method).uri(target).body(()) else { return };
    match form_of(&request.into_parts().0, document) {
        Ok(form) => {
            assert!(form.starts_with(b"Action="), "{}", String::from_utf8_lossy(&form));
            assert!(form.len() <= MOST_TIMES * (data.len() + 64), "{} octets of {}", form.len(), data.len());
            match Params::decode(&form) {
                Ok(mut params) => assert!(params.optional("Action").is_some_and(|action| !action.is_empty())),
                Err(error) => super::answers(&error),
            }
            super::call(&form);
        }
        Err(error) => {
            assert!((400..500).contains(&error.status), "{error:?}");
            assert!(super::texts(&Xml::error_response(&error, "r")).contains(&error.code.into_owned()));
        }
    }
}

/// Any text in the place of an answer of EC2 becomes lists as the AWS CLI prints them, which load or are refused like
/// any other; an answer that breaks off becomes nothing.
pub(super) fn sync_xml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(outputs) = outputs_of(&text) else { return };
    if let Some(cut) = end_tag(&text) {
        assert!(outputs_of(&text[..cut]).is_err(), "an answer that breaks off is taken for a whole one");
    }
    let files = outputs.iter().map(|output| FileText { path: "ec2.json".into(), text: output.to_string() });
    super::serve(read_json_set(&files.collect::<Vec<_>>()));
}

/// Where the end tag of the root begins, in a text that has nothing behind it.
fn end_tag(text: &str) -> Option<usize> {
    let text: Cow<'_, str> = text.trim_end().into();
    let cut = text.rfind("</")?;
    let name = text[cut + 2..].strip_suffix('>')?;
    name.bytes().all(|octet| octet.is_ascii_alphanumeric()).then_some(cut)
}
