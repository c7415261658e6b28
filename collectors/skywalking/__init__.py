"""SkyWalking, asked: an OAP server's topology and figures by the minute, its events, traces and logs."""
