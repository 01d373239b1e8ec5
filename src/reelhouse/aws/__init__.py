"""reelhouse as an AWS Lambda function: events in, one bounded piece of work, metrics out."""
