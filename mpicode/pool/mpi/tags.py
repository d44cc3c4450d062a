"""The two tags of all messages; notices one way and answers the other way share the second."""

REQUEST = 1
NOTICE = ANSWER = 2
