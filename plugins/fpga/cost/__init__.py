"""What a network costs on the accelerator, and which board holds it: cycles, bytes, resources, pictures. Ours."""
