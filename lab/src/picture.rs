//! A picture in the terminal.

use std::fmt::Write;
use std::io::IsTerminal;
use std::path::Path;

/// From black to white, where there are no colours.
const SHADES: [char; 8] = [' ', '.', ':', '-', '=', '+', '#', '@'];

/// The picture at this path, two characters a pixel; in 24-bit grey where it goes to a terminal.
pub(crate) fn draw(path: &Path) -> Result<String, String> {
    let picture = image::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let picture = picture.to_luma8();
    let mut text = String::new();
    let in_colour = std::io::stdout().is_terminal();
    for row in picture.rows() {
        text += "  ";
        for pixel in row {
            let grey = pixel.0[0];
            // Writing to a string does not fail.
            let _ = if in_colour {
                write!(text, "\x1b[48;2;{grey};{grey};{grey}m  ")
            } else {
                let shade = SHADES[usize::from(grey) * (SHADES.len() - 1) / 255];
                write!(text, "{shade}{shade}")
            };
        }
        text += if in_colour { "\x1b[0m\n" } else { "\n" };
    }
    Ok(text)
}
