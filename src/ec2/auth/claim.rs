//! What a request says about who signed it: the Authorization header, or the parameters of a presigned URL.

use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use data_encoding::HEXLOWER_PERMISSIVE;

use super::Refusal;
use super::sigv4::{ALGORITHM, DATE_HEADER, Request, SIGNATURE_PARAMETER, TERMINATOR, parameters};

/// Longest life of a presigned request (SigV4: seven days).
const MAX_EXPIRES: u64 = 7 * 86_400;

/// Who is said to have signed, and how; nothing of it is verified yet.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) access_key_id: String,
    /// `20150830`
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
    /// In lower case, sorted, each once.
    pub(super) signed_headers: Vec<String>,
    pub(super) signature: [u8; 32],
    /// `20150830T123600Z`
    pub(super) time: String,
    /// How long a presigned request lasts; `None` for one that has a header.
    pub(super) expires: Option<Duration>,
}

impl Claim {
    /// What the request says; `Ok(None)` if it says nothing.
    pub(super) fn of(request: &Request<'_>) -> Result<Option<Self>, Refusal> {
        let mut headers = request.headers.get_all(AUTHORIZATION).iter();
        let header = headers.next();
        if headers.next().is_some() {
            return Err(incomplete("there are two Authorization headers"));
        }
        let presigned = Presigned::of(request.query)?;
        match (header, presigned) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(incomplete("it is signed both in the Authorization header and in the query")),
            (Some(value), None) => {
                let text = value.to_str().map_err(|_| incomplete("the Authorization header is not ASCII"))?;
                Self::of_header(text, request).map(Some)
            }
            (None, Some(presigned)) => presigned.claim().map(Some),
        }
    }

    /// `AWS4-HMAC-SHA256 Credential=.../20150830/us-east-1/ec2/aws4_request, SignedHeaders=host;..., Signature=...`
    fn of_header(text: &str, request: &Request<'_>) -> Result<Self, Refusal> {
        let fields = text.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with(' '));
        let fields =
            fields.ok_or_else(|| incomplete("the Authorization header does not begin with AWS4-HMAC-SHA256"))?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in fields.split(',') {
            let (name, value) = field.trim().split_once('=').unwrap_or_default();
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(incomplete("the Authorization header has a part that is not known")),
            };
            if slot.replace(value).is_some() {
                return Err(incomplete("the Authorization header has a part twice"));
            }
        }
        let needs = |name: &str| incomplete(&format!("Authorization header requires '{name}' parameter."));
        let credential = credential.ok_or_else(|| needs("Credential"))?;
        let signed_headers = signed_headers.ok_or_else(|| needs("SignedHeaders"))?;
        let signature = signature.ok_or_else(|| needs("Signature"))?;
        let mut times = request.headers.get_all(DATE_HEADER).iter();
        let (Some(time), None) = (times.next().and_then(|value| value.to_str().ok()), times.next()) else {
            return Err(incomplete("Authorization header requires one 'X-Amz-Date' header."));
        };
        Self::of_parts(credential, signed_headers, signature, time, None)
    }

    fn of_parts(
        credential: &str,
        signed_headers: &str,
        signature: &str,
        time: &str,
        expires: Option<Duration>,
    ) -> Result<Self, Refusal> {
        let parts: Vec<&str> = credential.split('/').collect();
        let [access_key_id, date, region, service, TERMINATOR] = parts[..] else {
            return Err(incomplete("Credential is not ACCESS-KEY-ID/YYYYMMDD/REGION/SERVICE/aws4_request."));
        };
        // these are printed in logs and answers
        let is_word = |word: &str| {
            let sound = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
            (1..=128).contains(&word.len()) && word.bytes().all(sound)
        };
        if ![access_key_id, date, region, service].into_iter().all(is_word) {
            return Err(incomplete("Credential has a part that is empty, too long, or of other characters."));
        }
        let signed_headers: Vec<String> = signed_headers.split(';').map(str::to_owned).collect();
        // sorted is how they are signed, and each once bounds the work
        if !signed_headers.is_sorted_by(|one, next| one < next) {
            return Err(incomplete("SignedHeaders are not sorted."));
        }
        if !signed_headers.iter().any(|name| name == "host") {
            return Err(incomplete("SignedHeaders must have 'host'."));
        }
        let signature = digest(signature).ok_or_else(|| incomplete("Signature is not 64 hexadecimal digits."))?;
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers,
            signature,
            time: time.to_owned(),
            expires,
        })
    }
}

/// The parameters of a presigned URL, in the order of `NAMES`.
struct Presigned([Option<String>; 6]);

impl Presigned {
    const NAMES: [&'static str; 6] = [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-SignedHeaders",
        SIGNATURE_PARAMETER,
        "X-Amz-Date",
        "X-Amz-Expires",
    ];

    /// `Ok(None)` if the query has none of them.
    fn of(query: &str) -> Result<Option<Self>, Refusal> {
        let mut found: [Option<String>; 6] = Default::default();
        for (key, value) in parameters(query) {
            let slot = Self::NAMES.iter().zip(&mut found).find(|(name, _)| name.as_bytes() == key);
            let Some((name, slot)) = slot else { continue };
            if slot.replace(String::from_utf8_lossy(&value).into_owned()).is_some() {
                return Err(incomplete(&format!("{name} is given twice.")));
            }
        }
        Ok(found.iter().any(Option::is_some).then_some(Self(found)))
    }

    fn claim(self) -> Result<Claim, Refusal> {
        let [Some(algorithm), Some(credential), Some(signed_headers), Some(signature), Some(time), Some(expires)] =
            self.0
        else {
            return Err(incomplete(&format!("A presigned request requires {}.", Self::NAMES.join(", "))));
        };
        if algorithm != ALGORITHM {
            return Err(incomplete("X-Amz-Algorithm must be AWS4-HMAC-SHA256."));
        }
        let expires = expires.parse().ok().filter(|seconds| (1..=MAX_EXPIRES).contains(seconds));
        let expires = expires.ok_or_else(|| incomplete("X-Amz-Expires must be from 1 to 604800 seconds."))?;
        Claim::of_parts(&credential, &signed_headers, &signature, &time, Some(Duration::from_secs(expires)))
    }
}

fn digest(text: &str) -> Option<[u8; 32]> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}

fn incomplete(why: &str) -> Refusal {
    Refusal::new(400, "IncompleteSignature", format!("The request signature does not conform to AWS standards: {why}"))
}
