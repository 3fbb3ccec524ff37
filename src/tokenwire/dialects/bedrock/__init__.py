"""Amazon Bedrock: three APIs in Amazon's frames."""
