//! What candle's errors say, in a line.

/// What candle says of a failed operation, in one line: the backtrace that it adds under `RUST_BACKTRACE` is
/// left out.
///
/// ```
/// let error = candle_core::Error::Msg("1x28x28 expected".to_string()).bt();
/// assert_eq!(taper_model::tensor_message(&error), "1x28x28 expected");
/// ```
pub fn tensor_message(error: &candle_core::Error) -> String {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => tensor_message(inner),
        // What a net says of its input needs no preface.
        candle_core::Error::Msg(message) => message.clone(),
        other => format!("tensor operation: {other}"),
    }
}
