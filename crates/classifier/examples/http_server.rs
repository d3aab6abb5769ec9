//! A classifier behind HTTP, with the standard library alone: POST an image, get its classes as JSON.
//!
//! ```text
//! cargo run --release -p taper-classifier --example http_server -- runs/finetune-photos-1 127.0.0.1:8000
//! curl --data-binary @photo.jpg http://127.0.0.1:8000
//! ```
//!
//! One connection after the other: what it shows is how a classifier is asked for images in memory. Put a real server in
//! front for more.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use taper_classifier::{Classifier, DeviceChoice, top_k};
use taper_dataset::ImageLimits;
use taper_dataset::source::decode_image;
use taper_pretrained::Models;

/// The largest image that is taken, in bytes.
const LARGEST: u64 = 32 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let model = args.next().ok_or("expected a model: a run's folder, or weights")?;
    let address = args.next().unwrap_or("127.0.0.1:8000".to_string());
    let classifier = Classifier::open(&model, &DeviceChoice::Auto.open()?, &Models::new())?;
    let listener = TcpListener::bind(&address)?;
    println!("{model} at http://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        // A connection that fails is that one's matter.
        let Ok(stream) = stream else { continue };
        let limit = Some(Duration::from_secs(10));
        if stream.set_read_timeout(limit).and(stream.set_write_timeout(limit)).is_err() {
            continue;
        }
        let (status, body) = match answer(&stream, &classifier) {
            Ok(body) => ("200 OK", body),
            Err(error) => ("400 Bad Request", json!({ "error": error.to_string() }).to_string()),
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n");
        // Who has gone away gets no answer.
        let _ =
            (&stream).write_all(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes());
    }
    Ok(())
}

/// Reads a request and answers with the three most probable classes.
fn answer(stream: &TcpStream, classifier: &Classifier) -> Result<String, Box<dyn Error>> {
    let mut request = BufReader::new(stream.take(LARGEST + 65_536));
    let mut length = 0;
    let mut line = String::new();
    while request.read_line(&mut line)? > 2 {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
        line.clear();
    }
    if length == 0 || length > LARGEST {
        return Err(format!("expected an image of 1 to {LARGEST} bytes, got {length}").into());
    }
    let mut bytes = vec![0; usize::try_from(length)?];
    request.read_exact(&mut bytes)?;
    let image = decode_image(&bytes, "the image that was sent", &ImageLimits::default())?;
    let rows = classifier.probabilities(vec![image])?;
    let classes = rows.iter().flat_map(|row| {
        top_k(row, 3).into_iter().map(|class| {
            let class = class as usize;
            let (name, share) = (&classifier.config.label_names[class], row[class]);
            json!({ "class": name, "probability": share })
        })
    });
    Ok(Value::Array(classes.collect()).to_string())
}
