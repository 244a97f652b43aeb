import { useEffect, useRef, useState } from "react";

/** Whether an element is on screen, or soon will be. */
export function useInView<Target extends Element>() {
  const ref = useRef<Target>(null);
  const [inView, setInView] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver(([entry]) => setInView(entry?.isIntersecting ?? false), { rootMargin: "600px" });
    if (ref.current) observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return { ref, inView };
}
