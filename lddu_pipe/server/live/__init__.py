"""Live sessions over a WebSocket: what a microphone and a camera give comes in, results go out."""
