"""The contracts between services: what every topic carries. Unknown fields pass, so that old and new versions mix."""
