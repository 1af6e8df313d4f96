"""What an analyst opens every morning: Streamlit over the REST API, and nothing but it."""
