"""The style of the frame that shows an email, and its digest for the Content-Security-Policy of the page around it."""

from base64 import b64encode
from hashlib import sha256

FRAME_STYLE = (
    "body{margin:12px;font:15px/1.5 system-ui,sans-serif;color:#1b2330;background:#fff;overflow-wrap:anywhere}"
    "img,table{max-width:100%}"
)
FRAME_STYLE_DIGEST = f"'sha256-{b64encode(sha256(FRAME_STYLE.encode()).digest()).decode()}'"
