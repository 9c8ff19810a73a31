//! `data:` addresses (RFC 2397), in which some formats carry bytes. Nothing here fetches anything.

use crate::hub::Source;

/// What an address of a picture or file is: the bytes themselves, or somewhere else.
pub(crate) fn read(url: &str) -> Source {
    let inline = url.strip_prefix("data:").and_then(|rest| {
        let (head, data) = rest.split_once(',')?;
        let media_type = head.strip_suffix(";base64")?;
        // Parameters of the type (`;charset=…`) mean nothing for bytes.
        let media_type = media_type.split(';').next().unwrap_or_default();
        (!media_type.is_empty()).then(|| Source::Base64 {
            media_type: media_type.to_ascii_lowercase(),
            data: data.to_owned(),
        })
    });
    inline.unwrap_or_else(|| Source::Url(url.to_owned()))
}

/// The same of `file_data`, which some clients send as base64 alone: that is a PDF then.
pub(crate) fn read_file(data: String) -> Source {
    if data.starts_with("data:") || data.starts_with("https:") || data.starts_with("http:") {
        return read(&data);
    }
    Source::Base64 {
        media_type: "application/pdf".to_owned(),
        data,
    }
}

/// The address of these bytes.
pub(crate) fn write(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}
