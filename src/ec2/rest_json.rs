//! Route 53 Profiles' protocol, REST-JSON: what stands in the path, in the query and in the document is one document.

use axum::http::Method;
use axum::http::request::Parts;
use serde_json::Value;

use super::action::profiles;
use super::document::{DocumentCall, Members, members};
use super::error::ApiError;
use super::routes::{self, Route};

/// Paths of the API (version 2018-05-10), as its model has them.
const ROUTES: [Route; 17] = [
    (Method::POST, "profile", "CreateProfile", &[]),
    (Method::GET, "profiles", "ListProfiles", &[]),
    (Method::GET, "profile/*", "GetProfile", &["ProfileId"]),
    (Method::DELETE, "profile/*", "DeleteProfile", &["ProfileId"]),
    (Method::POST, "profileassociation", "AssociateProfile", &[]),
    (Method::GET, "profileassociations", "ListProfileAssociations", &[]),
    (Method::GET, "profileassociation/*", "GetProfileAssociation", &["ProfileAssociationId"]),
    (Method::PATCH, "profileassociation/*", "UpdateProfileAssociation", &["ProfileAssociationId"]),
    (
        Method::DELETE,
        "profileassociation/Profileid/*/resourceid/*",
        "DisassociateProfile",
        &["ProfileId", "ResourceId"],
    ),
    (Method::POST, "profileresourceassociation", "AssociateResourceToProfile", &[]),
    (Method::GET, "profileresourceassociation/*", "GetProfileResourceAssociation", &["ProfileResourceAssociationId"]),
    (
        Method::PATCH,
        "profileresourceassociation/*",
        "UpdateProfileResourceAssociation",
        &["ProfileResourceAssociationId"],
    ),
    (
        Method::DELETE,
        "profileresourceassociation/profileid/*/resourcearn/*",
        "DisassociateResourceFromProfile",
        &["ProfileId", "ResourceArn"],
    ),
    (Method::GET, "profileresourceassociations/profileid/*", "ListProfileResourceAssociations", &["ProfileId"]),
    (Method::GET, "tags/*", "ListTagsForResource", &["ResourceArn"]),
    (Method::POST, "tags/*", "TagResource", &["ResourceArn"]),
    (Method::DELETE, "tags/*", "UntagResource", &["ResourceArn"]),
];

/// The one parameter of a query that is a list.
const LIST: &str = "TagKeys";

/// Whether a request is in this protocol.
pub(super) fn is_rest_json(head: &Parts) -> bool {
    let path = head.uri.path();
    path.starts_with("/profile") || path.starts_with("/tags/arn")
}

/// What a request asks for.
pub(super) fn call_of(head: &Parts, body: &[u8]) -> Result<DocumentCall, ApiError> {
    let path = head.uri.path();
    let (action, in_path) = routes::find(&ROUTES, &head.method, path).ok_or_else(|| ApiError {
        status: 404,
        ..ApiError::new("UnknownOperationException", format!("{} {path} is no call of Route 53 Profiles.", head.method))
    })?;
    let mut all: Members = if body.iter().all(u8::is_ascii_whitespace) { Members::new() } else { members(body)? };
    for (name, value) in form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()) {
        if name.starts_with("X-Amz-") {
            continue;
        }
        let name = member(&name);
        if name == LIST {
            if let Value::Array(list) = all.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                list.push(value.into_owned().into());
            }
        } else {
            // what is no number is wrong as one
            let number = value.parse::<i64>().ok().filter(|_| name == "MaxResults");
            all.insert(name, number.map_or_else(|| value.into_owned().into(), Value::from));
        }
    }
    all.extend(in_path.into_iter().map(|(name, value)| (name.to_owned(), value.into())));
    profiles::call(action, all)
}

/// `MaxResults` of `maxResults`.
fn member(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn call(method: &str, path: &str, body: &str) -> String {
        let head = Request::builder().method(method).uri(path).body(()).unwrap().into_parts().0;
        assert!(is_rest_json(&head), "{path}");
        match call_of(&head, body.as_bytes()) {
            Ok(call) => format!("{} {}", call.action().name, Value::Object(call.members.clone())),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_call_becomes_a_document() {
        for (method, path, body, expected) in [
            ("POST", "/profile", r#"{"Name":"n"}"#, r#"CreateProfile {"Name":"n"}"#),
            ("GET", "/profiles?maxResults=5&nextToken=t", "", r#"ListProfiles {"MaxResults":5,"NextToken":"t"}"#),
            ("GET", "/profiles?maxResults=x", "", r#"ListProfiles {"MaxResults":"x"}"#),
            (
                "DELETE",
                "/profileassociation/Profileid/rp-1/resourceid/vpc-1",
                "",
                r#"DisassociateProfile {"ProfileId":"rp-1","ResourceId":"vpc-1"}"#,
            ),
            (
                "DELETE",
                "/tags/arn%3Aaws%3Ax%3Aprofile%2Frp-1?tagKeys=a&tagKeys=b%20c",
                "",
                r#"UntagResource {"ResourceArn":"arn:aws:x:profile/rp-1","TagKeys":["a","b c"]}"#,
            ),
            // the path holds, whatever the document says
            (
                "PATCH",
                "/profileassociation/a",
                r#"{"ProfileAssociationId":"b"}"#,
                r#"UpdateProfileAssociation {"ProfileAssociationId":"a"}"#,
            ),
        ] {
            assert_eq!(call(method, path, body), expected);
        }
        assert!(call("PUT", "/profile", "").starts_with("UnknownOperationException: PUT /profile is no call"));
        assert!(call("GET", "/profile/%ff", "").starts_with("UnknownOperationException"));
        assert!(call("POST", "/profile", "[").starts_with("SerializationException"));
    }
}
