//! Multipart bodies of the JSON API: uploads with their metadata, and batches of calls.
//!
//! Where the object is named only in the body, the body is what is decided about. The hazard is a body that two readers
//! take apart in two ways: one authorizes a name that the other never sees. So bodies are read in one way, described
//! here, and never passed on: what goes to a target is written anew, around a boundary of our own.
//!
//! Clients write these bodies differently: with CRLF or with bare LF, with boundaries in quotes of either kind, with and
//! without a line end at the end. The line end behind the first boundary says which kind the delimiters of this body
//! have; in bodies of the LF kind a CR before a boundary is content.
//!
//! - [`boundary`] reads the boundary out of `Content-Type`, [`part`] the header lines of a part,
//! - [`opening`] and [`media`] are an upload, up to its media and from there on, [`related`] one that is written,
//! - [`batch`] and [`answers`] are the calls of a batch and what was answered to them.
//!
//! Spec: <https://www.rfc-editor.org/rfc/rfc2046#section-5.1>

mod answers;
mod batch;
mod boundary;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod media;
mod opening;
mod part;
mod related;
#[cfg(test)]
mod tests;

pub(crate) use answers::{Answer, write_batch};
pub(crate) use batch::{BatchError, Part, parse_batch};
pub(crate) use boundary::Boundary;
pub(crate) use media::Media;
pub(crate) use related::write_related;

use crate::body::{BodyError, PayloadError};
use crate::dialect::s3::payload::{self, next_frame};
use bytes::Bytes;
use opening::Opening;
use std::time::Duration;

/// How much of a frame is looked at in one go: what belongs to the media is not copied.
const GULP: usize = 16 << 10;

/// An upload of two parts: the first is there, the second comes.
pub(crate) struct Related<B> {
    /// The JSON of the first part, not parsed.
    pub(crate) metadata: Bytes,
    /// `Content-Type` of the second part, as it was written.
    pub(crate) media_type: Option<Box<str>>,
    /// The second part.
    pub(crate) media: Media<B>,
}

/// Reads an upload up to its media. Media that ends within 64 KiB is read whole, so that its length is known.
///
/// # Errors
/// [`BodyError`] if the body breaks off or stands still for longer than `stall`; [`PayloadError::Multipart`] for what is
/// not two parts of which the first is JSON, [`PayloadError::TooLarge`] for more than 64 KiB of that.
pub(crate) async fn read_related<B: payload::Incoming>(
    mut body: B,
    boundary: &Boundary,
    stall: Duration,
) -> Result<Related<B>, BodyError> {
    let mut opening = Opening::new(boundary);
    let (opened, rest) = loop {
        let Some(mut frame) = next_frame(&mut body, stall).await? else {
            return Err(PayloadError::Multipart("it ends before its second part").into());
        };
        let mut opened = None;
        while opened.is_none() && !frame.is_empty() {
            let gulp = frame.split_to(frame.len().min(GULP));
            opened = opening.push(&gulp)?;
        }
        if let Some(opened) = opened {
            break (opened, frame);
        }
    };
    let mut media = Media::new(body, opened.delimiter, opened.length)?;
    media.feed(opened.rest)?;
    media.feed(rest)?;
    media.settle(stall).await?;
    Ok(Related {
        metadata: opened.metadata,
        media_type: opened.media_type,
        media,
    })
}
