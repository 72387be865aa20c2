"""Find the line that makes a reference or an effect: trace one more round and watch what the diagnosis named."""
