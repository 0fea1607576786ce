//! The body of an answer: elements in the order in which they are written.

use std::fmt::{Display, Write};

use quick_xml::escape::{partial_escape, resolve_predefined_entity};
use quick_xml::events::BytesRef;

use super::error::ApiError;
use super::params::is_xml;

/// The namespace of the API's only version (EC2 API Reference).
const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";
/// That of Route 53 (API Reference, version 2013-04-01).
const ROUTE_53: &str = "https://route53.amazonaws.com/doc/2013-04-01/";
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// What goes into an element.
pub struct Xml {
    content: String,
    form: AnswerForm,
    /// Where what the call made is from now on, for calls that answer so (HTTP 201).
    pub location: Option<String>,
}

/// What stands around the content of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnswerForm {
    /// EC2's: a request id in front.
    Ec2,
    /// That of the newer Query APIs, with their namespace: a result, and metadata behind it.
    Query(&'static str),
    /// REST-XML, with its namespace: nothing.
    Rest(&'static str),
}

impl Xml {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { content: String::new(), form: AnswerForm::Ec2, location: None }
    }

    /// Nothing yet, of an answer in the form of the newer Query APIs (STS, IAM).
    pub fn of_query(namespace: &'static str) -> Self {
        Self { form: AnswerForm::Query(namespace), ..Self::new() }
    }

    /// Nothing yet, of an answer of Route 53.
    pub fn of_route53() -> Self {
        Self { form: AnswerForm::Rest(ROUTE_53), ..Self::new() }
    }

    /// `<name>value</name>`
    pub fn text(&mut self, name: &str, value: impl Display) {
        self.element(name, |xml| {
            let begin = xml.content.len();
            // a String takes everything
            let _ = write!(xml.content, "{value}");
            let (_, written) = xml.content.split_at(begin);
            if written.bytes().any(may_need_escape) {
                let escaped = escaped(written);
                xml.content.truncate(begin);
                xml.content.push_str(&escaped);
            }
        });
    }

    /// `<name>value</name>`, or nothing.
    pub fn optional(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// `<name>` and XML that is written already.
    pub fn raw(&mut self, name: &str, content: &str) {
        self.element(name, |xml| xml.content.push_str(content));
    }

    /// `<name>` and what `content` writes.
    pub fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        for part in ["<", name, ">"] {
            self.content.push_str(part);
        }
        content(self);
        for part in ["</", name, ">"] {
            self.content.push_str(part);
        }
    }

    /// `<name>` and an `<item>` for each of `items`.
    pub fn list<T>(&mut self, name: &str, items: impl IntoIterator<Item = T>, mut item: impl FnMut(&mut Self, T)) {
        self.element(name, |xml| {
            for each in items {
                xml.element("item", |xml| item(xml, each));
            }
        });
    }

    /// `<list>` and a `<name>` for each of `items`.
    pub fn named_list<T>(
        &mut self,
        [list, name]: [&str; 2],
        items: impl IntoIterator<Item = T>,
        mut item: impl FnMut(&mut Self, T),
    ) {
        self.element(list, |xml| {
            for each in items {
                xml.element(name, |xml| item(xml, each));
            }
        });
    }

    /// `<name>` and an `<item>` with a text for each of `items`.
    pub fn texts<T: Display>(&mut self, name: &str, items: impl IntoIterator<Item = T>) {
        self.element(name, |xml| {
            for each in items {
                xml.text("item", each);
            }
        });
    }

    /// The whole body of an answer to `action`.
    pub fn response(self, action: &str, request_id: &str) -> String {
        let name = format!("{action}Response");
        let form = self.form;
        let content = self.into_text();
        match form {
            AnswerForm::Ec2 => format!(
                "{DECLARATION}<{name} xmlns=\"{NAMESPACE}\"><requestId>{request_id}</requestId>{content}</{name}>"
            ),
            AnswerForm::Query(namespace) => format!(
                "{DECLARATION}<{name} xmlns=\"{namespace}\"><{action}Result>{content}</{action}Result>\
                 <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}>"
            ),
            AnswerForm::Rest(namespace) => format!("{DECLARATION}<{name} xmlns=\"{namespace}\">{content}</{name}>"),
        }
    }

    /// The body of an error.
    pub fn error(error: &ApiError, request_id: &str) -> String {
        let mut xml = Self::new();
        xml.element("Response", |xml| {
            xml.element("Errors", |xml| xml.element("Error", |xml| xml.code_and_message(error)));
            xml.text("RequestID", request_id);
        });
        DECLARATION.to_owned() + &xml.into_text()
    }

    /// The body of an error of another API than EC2's.
    pub fn error_response(error: &ApiError, request_id: &str) -> String {
        let mut xml = Self::new();
        xml.element("ErrorResponse", |xml| {
            xml.element("Error", |xml| {
                xml.text("Type", if error.status < 500 { "Sender" } else { "Receiver" });
                xml.code_and_message(error);
            });
            xml.text("RequestId", request_id);
        });
        DECLARATION.to_owned() + &xml.into_text()
    }

    /// The body of an error of S3, which has nothing around it.
    pub fn bare_error(error: &ApiError, request_id: &str) -> String {
        let mut xml = Self::new();
        xml.element("Error", |xml| {
            xml.code_and_message(error);
            xml.text("RequestId", request_id);
        });
        DECLARATION.to_owned() + &xml.into_text()
    }

    fn code_and_message(&mut self, error: &ApiError) {
        self.text("Code", &error.code);
        self.text("Message", &error.message);
    }

    /// What another has written.
    pub fn from_text(text: String) -> Self {
        Self { content: text, ..Self::new() }
    }

    /// What was written, without a root.
    pub fn into_text(self) -> String {
        self.content
    }
}

/// Whether an octet may be one of a character that `escaped` changes.
fn may_need_escape(octet: u8) -> bool {
    matches!(octet, b'<' | b'>' | b'&' | 0..=8 | 11..=31 | 127..)
}

/// A text as XML can say it.
fn escaped(text: &str) -> String {
    let text = partial_escape(text);
    // a bare carriage return reads as a line feed (XML 1.0, section 2.11)
    let text = if text.contains('\r') { text.replace('\r', "&#13;").into() } else { text };
    // what a caller said may have characters that XML cannot say, such as U+FFFF in the path of an unknown call
    if text.chars().all(is_xml) { text.into_owned() } else { text.replace(|c| !is_xml(c), "\u{fffd}") }
}

/// What a reference in a text stands for: a character by its number, or one of the five that XML has names for. `None`:
/// anything else, such as an entity that a document declares itself.
pub fn referenced(reference: &BytesRef<'_>) -> Option<String> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Some(character.to_string()),
        Ok(None) => resolve_predefined_entity(reference).map(str::to_owned),
        Err(_) => None,
    }
}

impl Default for Xml {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_xml_cannot_say_are_replaced() {
        let mut xml = Xml::new();
        xml.text("a", "x\u{0}\u{ffff}\u{fffe}\u{8}y\tz\u{1f600}");
        assert!(xml.into_text().contains("<a>x\u{fffd}\u{fffd}\u{fffd}\u{fffd}y\tz\u{1f600}</a>"));
    }

    #[test]
    fn answers_have_a_root_a_request_id_and_escapes() {
        let mut xml = Xml::new();
        xml.texts("serviceNameSet", ["a", "<&>", "\r\n"]);
        xml.text("return", true);
        xml.optional("nextToken", None::<&str>);
        assert_eq!(
            xml.response("X", "r-1"),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<XResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
             <requestId>r-1</requestId><serviceNameSet><item>a</item><item>&lt;&amp;&gt;</item><item>&#13;\n</item></serviceNameSet>\
             <return>true</return></XResponse>"
        );
        let error = ApiError::new("InvalidVpcID.NotFound", "The vpc ID 'vpc-<x>' does not exist");
        assert!(Xml::error(&error, "r-2").contains("<Message>The vpc ID 'vpc-&lt;x&gt;' does not exist</Message>"));
    }
}
