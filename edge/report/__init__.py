"""What the local record says of compliance over days and weeks."""
