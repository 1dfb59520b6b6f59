//! A picture in the terminal.

use std::fmt::Write;
use std::path::Path;

/// The picture at this path, two characters a pixel, in 24-bit grey.
pub(crate) fn draw(path: &Path) -> Result<String, String> {
    let picture = image::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let picture = picture.to_luma8();
    let mut text = String::new();
    for row in picture.rows() {
        text += "  ";
        for pixel in row {
            let grey = pixel.0[0];
            // Writing to a string does not fail.
            let _ = write!(text, "\x1b[48;2;{grey};{grey};{grey}m  ");
        }
        text += "\x1b[0m\n";
    }
    Ok(text)
}
