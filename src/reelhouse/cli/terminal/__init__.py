"""What a person sees at the prompt: messages, progress and tables of results."""
