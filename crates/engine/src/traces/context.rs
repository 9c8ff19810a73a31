//! W3C Trace Context, read strictly: whoever sends something else begins a new trace.

use http::{HeaderMap, HeaderName};
use portcullis_core::hex;

pub(super) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// "Vendors SHOULD propagate at least 512 characters of a combined header" (§3.3.1.5): no more here.
const LONGEST_STATE: usize = 512;
/// "There can be a maximum of 32 list-members in a list" (§3.3.1.1).
const MOST_MEMBERS: usize = 32;

/// Where in which trace (§3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The whole trace.
    pub trace_id: [u8; 16],
    /// The operation of it: `parent-id`.
    pub span_id: [u8; 8],
    /// Whether the sender says that it records.
    pub sampled: bool,
}

impl TraceContext {
    /// Reads `traceparent` (§3.2.2). Of a higher version its first four fields (§3.2.4); everything that
    /// the grammar does not allow is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let fields = text.get(..55)?;
        let mut parts = fields.split('-');
        let version = lower_hex::<1>(parts.next()?)?;
        let trace_id = lower_hex::<16>(parts.next()?)?;
        let span_id = lower_hex::<8>(parts.next()?)?;
        let [flags] = lower_hex::<1>(parts.next()?)?;
        let ends_well = match (version, text.as_bytes().get(55)) {
            ([0xff], _) | ([0], Some(_)) => false,
            (_, None) => true,
            (_, Some(next)) => *next == b'-',
        };
        let well = ends_well && parts.next().is_none() && trace_id != [0; 16] && span_id != [0; 8];
        well.then_some(Self {
            trace_id,
            span_id,
            sampled: flags & 1 == 1,
        })
    }

    /// The one `traceparent` of a request; several of them are none.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(&TRACEPARENT).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        Self::parse(value.to_str().ok()?)
    }

    /// As it is sent on.
    pub fn text(&self) -> String {
        let flags = u8::from(self.sampled);
        format!("00-{}-{}-0{flags}", hex(&self.trace_id), hex(&self.span_id))
    }
}

fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != N * 2 {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut out = [0_u8; N];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(out)
}

/// What other systems say of their part of the trace (§3.3): handed on as it is, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceState(Box<str>);

impl TraceState {
    /// `None` when it is longer than 512 characters, has more than 32 members, one twice, or one that the
    /// grammar does not allow.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST_STATE {
            return None;
        }
        let mut keys: Vec<&str> = Vec::new();
        for member in text
            .split(',')
            .map(|member| member.trim_matches([' ', '\t']))
        {
            // "Empty list members are allowed" (§3.3.1.1).
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            if !is_key(key) || !is_value(value) || keys.contains(&key) || keys.len() == MOST_MEMBERS
            {
                return None;
            }
            keys.push(key);
        }
        (!keys.is_empty()).then(|| Self(text.into()))
    }

    /// Of all headers together, in their order (RFC 9110 §5.3).
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(&TRACESTATE).iter();
        let first = values.next()?.to_str().ok()?;
        let mut all = first.to_owned();
        for value in values {
            if all.len() > LONGEST_STATE {
                return None;
            }
            all.push(',');
            all.push_str(value.to_str().ok()?);
        }
        Self::parse(&all)
    }

    /// As it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `simple-key` or `multi-tenant-key` (§3.3.1.3.1); which of them begins with a digit is not told apart.
fn is_key(key: &str) -> bool {
    let first = key.as_bytes().first();
    first.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && key.len() <= 256
        && key.bytes().filter(|byte| *byte == b'@').count() <= 1
        && key.bytes().all(
            |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@'),
        )
}

/// §3.3.1.3.2.
fn is_value(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= 256
        && value
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
}
